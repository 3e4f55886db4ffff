#include "exporters/temporal/channel.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "common/app/version.h"
#include "common/base/file.h"

namespace sidecar::temporal {
namespace {

constexpr Millis kLookAtFiles{10'000};
// gRPC's own is 120 s: a server that was away for an hour would be seen two minutes late.
constexpr int kReconnectMs = 5'000;

grpc::ChannelArguments Arguments(const ConnectionOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
                   static_cast<int>(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options.keepalive.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   static_cast<int>(options.keepalive_timeout.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
  // What connects again with new certificates must not find the old connection in a pool.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetUserAgentPrefix("sidecar-exporters/" + std::string(Version()));
  if (!options.tls.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls.server_name);
  }
  return arguments;
}

// gRPC ends the process for metadata that HTTP/2 cannot carry (1.51).
bool Sendable(std::string_view value) {
  return std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; });
}

Reply Refused(const Error& error) {
  return {.code = Code::kUnauthenticated, .message = error.message};
}

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  text.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

// gRPC's own process-wide state, once.
bool SetUpGrpc() {
  // It writes to stderr what every call's status says again, in a format of its own.
  gpr_set_log_function([](gpr_log_func_args*) {});
  // Never shut down: when its last channel goes it may wait 10 s for sockets to close (1.51), and
  // whoever makes the next channel, or ends the process, with it.
  grpc_init();
  return true;
}

class Channel final : public Transport {
 public:
  explicit Channel(ConnectionOptions options) : options_(std::move(options)) {
    [[maybe_unused]] static const bool kSetUp = SetUpGrpc();
  }

  Reply Call(const Scrape& scrape, const Request& request) override {
    const auto channel = Connected(scrape.clock().mono());
    if (!channel) return Refused(channel.error());
    grpc::ClientContext context;
    // Relative, so that a wall clock that is set does not move it.
    context.set_deadline(gpr_time_from_millis(
        std::min<Millis>(request.timeout, Millis(scrape.LeftMs())).count(), GPR_TIMESPAN));
    if (auto added = AddMetadata(request, context); !added) return Refused(added.error());
    return Wait(scrape, request, *channel, context);
  }

 private:
  using Shared = std::shared_ptr<grpc::Channel>;

  static Reply Wait(const Scrape& scrape, const Request& request, const Shared& channel,
                    grpc::ClientContext& context) {
    grpc::GenericStub stub(channel);
    grpc::CompletionQueue queue;
    const grpc::Slice slice(request.body);
    const grpc::ByteBuffer sent(&slice, 1);
    const auto call = stub.PrepareUnaryCall(&context, std::string(request.path), sent, &queue);
    const std::stop_callback cut(scrape.stop(), [&context] { context.TryCancel(); });
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);  // comes at the deadline at the latest
    if (!status.ok()) {
      return {.code = static_cast<Code>(status.error_code()),
              .message = status.error_message(),
              .details = status.error_details()};
    }
    return {.body = Text(answer)};
  }

  Result<> AddMetadata(const Request& request, grpc::ClientContext& context) const {
    if (!request.name_space.empty() && Sendable(request.name_space)) {
      context.AddMetadata("temporal-namespace", request.name_space);
    }
    if (options_.api_key) {
      auto key = options_.api_key.Read();
      if (!key) return Fail(std::move(key.error()).Wrap("api_key"));
      if (!Sendable(*key)) return Fail(Errc::kDenied, "api_key: not printable ASCII");
      context.AddMetadata("authorization", "Bearer " + *key);
    }
    for (const auto& header : options_.headers) {
      if (!header.secret) {
        context.AddMetadata(header.name, header.value);
        continue;
      }
      auto value = header.secret.Read();
      if (!value) return Fail(std::move(value.error()).Wrap("header " + header.name));
      if (!Sendable(*value)) {
        return Fail(Errc::kDenied, "header " + header.name + ": not printable ASCII");
      }
      context.AddMetadata(header.name, *value);
    }
    return {};
  }

  Result<Shared> Connected(Mono now) {
    const std::scoped_lock lock(mutex_);
    if (channel_ && (!options_.tls.enabled || now < look_again_)) return channel_;
    grpc::SslCredentialsOptions files;
    if (options_.tls.enabled) {
      look_again_ = now + kLookAtFiles;
      if (auto read = ReadTls(files); !read) {
        // Half of a rotation, or a mount that is away: what is connected stays.
        if (channel_) return channel_;
        return Fail(std::move(read.error()));
      }
      if (channel_ && Same(files, files_)) return channel_;
      files_ = files;
    }
    channel_ = grpc::CreateCustomChannel(
        options_.Target(),
        options_.tls.enabled ? grpc::SslCredentials(files) : grpc::InsecureChannelCredentials(),
        Arguments(options_));
    return channel_;
  }

  Result<> ReadTls(grpc::SslCredentialsOptions& files) const {
    const std::pair<const std::string&, std::string&> wanted[] = {
        {options_.tls.ca_file, files.pem_root_certs},
        {options_.tls.cert_file, files.pem_cert_chain},
        {options_.tls.key_file, files.pem_private_key}};
    for (const auto& [path, text] : wanted) {
      if (path.empty()) continue;
      auto read = ReadFile(path, {.max_bytes = 1U << 20U});
      if (!read) return Fail(std::move(read.error()).Wrap("tls"));
      text = std::move(*read);
    }
    return {};
  }

  static bool Same(const grpc::SslCredentialsOptions& a, const grpc::SslCredentialsOptions& b) {
    return a.pem_root_certs == b.pem_root_certs && a.pem_cert_chain == b.pem_cert_chain &&
           a.pem_private_key == b.pem_private_key;
  }

  const ConnectionOptions options_;
  std::mutex mutex_;  // guards what follows
  Shared channel_;
  grpc::SslCredentialsOptions files_;
  Mono look_again_{};
};

}  // namespace

std::shared_ptr<Transport> MakeChannel(const ConnectionOptions& options) {
  return std::make_shared<Channel>(options);
}

}  // namespace sidecar::temporal
