#include "tests/support/fake_frontend.h"

#include <arpa/inet.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/unique_fd.h"

namespace sidecar::temporal {
namespace {

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

class Reactor final : public grpc::ServerGenericBidiReactor {
 public:
  Reactor(grpc::GenericCallbackServerContext* context, FakeFrontend::Handler answer)
      : context_(context), answer_(std::move(answer)) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::INTERNAL, "no request"));
    FakeFrontend::Call call;
    call.method = context_->method().substr(context_->method().rfind('/') + 1);
    call.body = Text(request_);
    for (const auto& [key, value] : context_->client_metadata()) {
      call.metadata.emplace(std::string(key.begin(), key.end()),
                            std::string(value.begin(), value.end()));
    }
    auto reply = answer_(call);
    if (!reply) return Hang();
    reply_ = std::move(*reply);
    if (reply_.code != Code::kOk) {
      return Finish(
          grpc::Status(static_cast<grpc::StatusCode>(reply_.code), reply_.message, reply_.details));
    }
    const grpc::Slice slice(reply_.body);
    response_ = grpc::ByteBuffer(&slice, 1);
    StartWriteAndFinish(&response_, {}, grpc::Status::OK);
  }
  void OnCancel() override {
    const std::scoped_lock lock(mutex_);
    cancelled_ = true;
    if (hangs_) Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  void Hang() {
    const std::scoped_lock lock(mutex_);
    hangs_ = true;
    if (cancelled_) Finish(grpc::Status::CANCELLED);
  }

  std::mutex mutex_;
  bool hangs_ = false, cancelled_ = false;
  grpc::GenericCallbackServerContext* const context_;
  const FakeFrontend::Handler answer_;
  grpc::ByteBuffer request_, response_;
  Reply reply_;
};

sockaddr_in Loopback(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  return at;
}

// On a free port.
UniqueFd Listener(int& port) {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at = Loopback(0);
  socklen_t size = sizeof at;
  auto* const address = reinterpret_cast<sockaddr*>(&at);
  if (::bind(listener.get(), address, size) != 0 || ::listen(listener.get(), 8) != 0 ||
      ::getsockname(listener.get(), address, &size) != 0) {
    throw std::runtime_error("no port to listen on");
  }
  port = ntohs(at.sin_port);
  return listener;
}

UniqueFd Accept(const UniqueFd& listener) {  // invalid when the listener was shut down
  return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace

struct FakeFrontend::Impl {
  // Of one server: gRPC registers it once.
  struct Service final : grpc::CallbackGenericService {
    explicit Service(Impl& owner) : impl(owner) {}
    grpc::ServerGenericBidiReactor* CreateReactor(
        grpc::GenericCallbackServerContext* context) override {
      return new Reactor(context, [this](const Call& call) { return impl.Answer(call); });
    }
    Impl& impl;
  };

  explicit Impl(std::shared_ptr<grpc::ServerCredentials> with) : credentials(std::move(with)) {
    Start();
  }
  ~Impl() { Stop(now); }

  struct Life {
    std::unique_ptr<Service> service;
    std::unique_ptr<grpc::Server> server;
  };

  void Start() {
    Life life{.service = std::make_unique<Service>(*this), .server = nullptr};
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), credentials, &port);
    builder.RegisterCallbackGenericService(life.service.get());
    builder.SetMaxSendMessageSize(-1);
    life.server = builder.BuildAndStart();
    if (!life.server) throw std::runtime_error("the fake frontend does not start");
    Stop(std::exchange(now, std::move(life)));
  }
  static void Stop(const Life& life) {
    if (life.server) life.server->Shutdown(std::chrono::system_clock::now());
  }

  std::optional<Reply> Answer(const Call& call) {
    Handler handler;
    {
      const std::scoped_lock lock(mutex);
      if (const auto found = handlers.find(call.method); found != handlers.end()) {
        handler = found->second;
      }
    }
    if (handler) return handler(call);
    return Reply{.code = Code::kUnimplemented, .message = "unknown method " + call.method};
  }

  const std::shared_ptr<grpc::ServerCredentials> credentials;
  int port = 0;
  Life now;
  std::mutex mutex;
  std::map<std::string, Handler, std::less<>> handlers;
};

FakeFrontend::FakeFrontend() : impl_(std::make_unique<Impl>(grpc::InsecureServerCredentials())) {}

FakeFrontend::FakeFrontend(const Tls& tls) {
  grpc::SslServerCredentialsOptions options(
      tls.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                            : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = tls.client_ca;
  options.pem_key_cert_pairs.push_back({tls.key, tls.certificate});
  impl_ = std::make_unique<Impl>(grpc::SslServerCredentials(options));
}
FakeFrontend::~FakeFrontend() = default;

void FakeFrontend::On(std::string_view method, Handler handler) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->handlers.insert_or_assign(std::string(method), std::move(handler));
}

std::string FakeFrontend::address() const { return "127.0.0.1:" + std::to_string(impl_->port); }

// The new server listens beside the old one (SO_REUSEPORT) before that ends: a client that found
// nobody would wait half a real second before its next attempt.
void FakeFrontend::Restart() { impl_->Start(); }

Certificates::Certificates() {
  std::string name = std::filesystem::temp_directory_path() / "sidecar-certificates-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  folder_ = name;
}
Certificates::~Certificates() { std::filesystem::remove_all(folder_); }

void Certificates::MakeAuthority() const {
  Shell(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
      "-subj /CN=authority -keyout ca.key -out ca.crt");
}

void Certificates::Make(const std::string& name, const std::string& dns) const {
  if (!std::filesystem::exists(folder_ / "ca.crt")) MakeAuthority();
  Shell("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + dns +
        " -keyout " + name + ".key -out " + name + ".csr && printf 'subjectAltName=DNS:" + dns +
        "' > ext && openssl x509 -req -in " + name +
        ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out " + name + ".crt");
}

std::string Certificates::Write(const std::string& name, const std::string& text) const {
  std::ofstream(folder_ / name, std::ios::trunc) << text;
  return folder_ / name;
}

std::string Certificates::Read(const std::string& name) const {
  std::ifstream file(folder_ / name);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Certificates::Shell(const std::string& command) const {
  const std::string all = "cd " + folder_.string() + " && (" + command + ") 2>log";
  if (::system(all.c_str()) != 0) throw std::runtime_error(command + ": " + Read("log"));
}

struct BabblingServer::Impl {
  explicit Impl(std::string text) : says(std::move(text)), listener(Listener(port)) {
    thread = std::thread([this] { Babble(); });
  }
  ~Impl() {
    ::shutdown(listener.get(), SHUT_RDWR);  // accept returns
    thread.join();
  }
  void Babble() {
    while (true) {
      const UniqueFd peer = Accept(listener);
      if (peer.get() < 0) return;
      if (::send(peer.get(), says.data(), says.size(), MSG_NOSIGNAL) < 0) continue;
      ::shutdown(peer.get(), SHUT_WR);
    }
  }

  const std::string says;
  int port = 0;
  const UniqueFd listener;
  std::thread thread;
};

BabblingServer::BabblingServer(std::string says) : impl_(std::make_unique<Impl>(std::move(says))) {}
BabblingServer::~BabblingServer() = default;
std::string BabblingServer::address() const { return "127.0.0.1:" + std::to_string(impl_->port); }

struct Relay::Impl {
  struct Connection {
    UniqueFd client, server;
    std::atomic<bool> silent = false;
    std::thread up{}, down{};

    void Pass(int from, int to) {
      std::array<char, 16'384> bytes;
      while (true) {
        const ssize_t size = ::recv(from, bytes.data(), bytes.size(), 0);
        if (size <= 0) break;
        if (silent) continue;
        if (::send(to, bytes.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) < 0) break;
      }
      End();
    }
    void End() const {
      ::shutdown(client.get(), SHUT_RDWR);
      ::shutdown(server.get(), SHUT_RDWR);
    }
  };

  explicit Impl(int port_of_server) : upstream(Loopback(port_of_server)), listener(Listener(port)) {
    thread = std::thread([this] { Serve(); });
  }
  ~Impl() {
    ::shutdown(listener.get(), SHUT_RDWR);  // accept returns
    thread.join();
    for (const auto& one : connections) {
      one->End();
      one->up.join();
      one->down.join();
    }
  }
  void Serve() {
    while (true) {
      UniqueFd client = Accept(listener);
      if (client.get() < 0) return;
      UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&upstream), sizeof upstream) !=
          0)
        continue;
      const std::scoped_lock lock(mutex);
      auto& one = *connections.emplace_back(
          std::make_unique<Connection>(std::move(client), std::move(server)));
      one.up = std::thread([&one] { one.Pass(one.client.get(), one.server.get()); });
      one.down = std::thread([&one] { one.Pass(one.server.get(), one.client.get()); });
    }
  }

  const sockaddr_in upstream;
  int port = 0;
  const UniqueFd listener;
  std::mutex mutex;  // guards the list
  std::vector<std::unique_ptr<Connection>> connections;
  std::thread thread;
};

Relay::Relay(const std::string& to)
    : impl_(std::make_unique<Impl>(std::stoi(to.substr(to.rfind(':') + 1)))) {}
Relay::~Relay() = default;
void Relay::Silence() {
  const std::scoped_lock lock(impl_->mutex);
  for (const auto& one : impl_->connections) one->silent = true;
}
std::string Relay::address() const { return "127.0.0.1:" + std::to_string(impl_->port); }

}  // namespace sidecar::temporal
