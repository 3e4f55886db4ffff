#include "common/http/request_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <utility>

#include "common/http/token.h"

namespace sidecar::http {
namespace {

namespace beast = boost::beast;
using Ec = beast::error_code;

constexpr std::size_t kMaxFields = 100;  // names are compared with each other

int StatusFor(const Ec& failure) {
  using beast::http::error;
  if (failure == error::header_limit || failure == error::buffer_overflow) return 431;
  if (failure == error::body_limit) return 413;
  if (failure == error::bad_version) return 505;
  return 400;
}

}  // namespace

std::string_view RequestHead::Find(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (EqualsIgnoreCase(known, name)) return value;
  }
  return {};
}

// The parser's callbacks. Beast 1.74 bounds one field, not their sum, so that is counted here; and
// its parser of chunked bodies is not reached: no client of ours sends one (411).
struct RequestParser::Impl final : beast::http::basic_parser<true> {
  Impl(std::size_t header, std::size_t body) : max_header(header) {
    header_limit(static_cast<std::uint32_t>(header));
    body_limit(body);
    eager(true);
  }

  void Refuse(int code, Ec& ec) {
    status = code;
    ec = beast::http::error::bad_field;
  }

  void Count(std::size_t bytes, Ec& ec) {
    header_bytes += bytes;
    if (header_bytes > max_header || head.fields.size() > kMaxFields) Refuse(431, ec);
  }

  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int version, Ec& ec) override {
    head.method.assign(method.data(), method.size());
    head.target.assign(target.data(), target.size());
    head.http11 = version >= 11;
    Count(method.size() + target.size(), ec);
  }

  void on_field_impl(beast::http::field id, beast::string_view name, beast::string_view value,
                     Ec& ec) override {
    if (id == beast::http::field::transfer_encoding) return Refuse(411, ec);
    const std::string_view name_view(name.data(), name.size());
    const std::string_view value_view(value.data(), value.size());
    for (auto& [known, values] : head.fields) {
      if (!EqualsIgnoreCase(known, name_view)) continue;
      if (id == beast::http::field::host) return Refuse(400, ec);
      values.append(", ").append(value_view);
      return Count(name.size() + value.size(), ec);
    }
    head.fields.emplace_back(name_view, value_view);
    Count(name.size() + value.size(), ec);
  }

  void on_header_impl(Ec& ec) override {
    head.keep_alive = keep_alive();
    if (head.http11 && head.Find("Host").data() == nullptr) return Refuse(400, ec);
    const std::string_view expected = head.Find("Expect");
    if (expected.empty() || !head.http11) return;
    if (!EqualsIgnoreCase(expected, "100-continue")) return Refuse(417, ec);
    expects_continue = true;
  }

  std::size_t on_body_impl(beast::string_view body, Ec&) override { return body.size(); }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, Ec&) override {
    return body.size();
  }
  void on_response_impl(int, beast::string_view, int, Ec&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Ec&) override {}
  void on_chunk_header_impl(std::uint64_t, beast::string_view, Ec&) override {}
  void on_finish_impl(Ec&) override {}

  RequestHead head;
  const std::size_t max_header;
  std::size_t header_bytes = 0;
  int status = 0;
  bool expects_continue = false;
};

RequestParser::RequestParser(std::size_t max_header_bytes, std::size_t max_body_bytes)
    : impl_(std::make_unique<Impl>(max_header_bytes, max_body_bytes)) {}
RequestParser::~RequestParser() = default;

RequestParser::Step RequestParser::Put(std::string_view bytes) {
  Step step;
  Ec error;
  step.used = impl_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error && error != beast::http::error::need_more) {
    step.status = impl_->status != 0 ? impl_->status : StatusFor(error);
    return step;
  }
  step.done = impl_->is_done();
  if (impl_->is_header_done() && !step.done) {
    step.ask_body = std::exchange(impl_->expects_continue, false);
  } else if (!step.done && bytes.size() - step.used >= impl_->max_header) {
    step.status = 431;
  }
  return step;
}

const RequestHead& RequestParser::head() const { return impl_->head; }

}  // namespace sidecar::http
