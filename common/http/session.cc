#include "common/http/session.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "common/log/log.h"

namespace sidecar::http {
namespace {

constexpr std::size_t kFirstBuffer = 2 << 10;  // a scrape's headers fit
constexpr std::size_t kIdleScratch = 2;
constexpr std::size_t kKeepScratch = 256 << 10;

}  // namespace

std::unique_ptr<Scratch> Service::TakeScratch() {
  const std::scoped_lock lock(mutex_);
  if (scratch_.empty()) return std::make_unique<Scratch>();
  auto scratch = std::move(scratch_.back());
  scratch_.pop_back();
  return scratch;
}

void Service::GiveScratch(std::unique_ptr<Scratch> scratch) {
  if (scratch->out.capacity() > kKeepScratch) std::string().swap(scratch->out);
  const std::scoped_lock lock(mutex_);
  if (scratch_.size() < kIdleScratch) scratch_.push_back(std::move(scratch));
}

void TurnAway(int fd) {
  constexpr std::string_view kBusy =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 5\r\n\r\nbusy\n";
  std::array<char, 2 << 10> unread{};
  static_cast<void>(::send(fd, kBusy.data(), kBusy.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  ::shutdown(fd, SHUT_WR);
  // A close with unread bytes would reset the connection, and lose the answer.
  static_cast<void>(::recv(fd, unread.data(), unread.size(), MSG_DONTWAIT));
}

std::span<char> Session::Room() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  if (end_ == buffer_.size()) {
    const auto most = static_cast<std::size_t>(service_.options.max_header_bytes);
    buffer_.resize(std::min(std::max(kFirstBuffer, 2 * end_), most));
  }
  return std::span(buffer_).subspan(end_);
}

Next Session::Received(std::size_t bytes) {
  end_ += bytes;
  return Process(false);
}

Next Session::Finish() {
  const auto next = AfterAnswer();
  return next ? *next : Process(true);
}

Next Session::Sent() {
  std::string().swap(writer_.rest());
  const auto next = AfterSending();
  return next ? *next : Process(true);
}

Next Session::Busy() {
  const auto next = Answer(503, "busy: every request thread is in use\n", true);
  return next ? *next : Process(true);
}

// Takes the requests that the buffer holds, until something must be waited for. `answered`: one has
// just ended, so that an empty buffer is a new wait.
Next Session::Process(bool answered) {
  while (true) {
    if (!parser_) {
      // Some clients end a body with a line too many (RFC 9112, 2.2).
      while (begin_ < end_ && (buffer_[begin_] == '\r' || buffer_[begin_] == '\n')) ++begin_;
      if (begin_ == end_) return answered ? Next::kIdle : Next::kReceive;
    }
    if (const auto next = Parse()) {
      return answered && *next == Next::kReceive ? Next::kReceiveNext : *next;
    }
    if (const auto next = Route()) return *next;
    answered = true;
  }
}

// Nothing when a request is complete.
std::optional<Next> Session::Parse() {
  if (!parser_) {
    parser_.emplace(static_cast<std::size_t>(service_.options.max_header_bytes),
                    static_cast<std::size_t>(service_.options.max_body_bytes));
  }
  const auto step = parser_->Put(std::string_view(buffer_).substr(begin_, end_ - begin_));
  begin_ += step.used;
  if (step.status != 0) return Answer(step.status, "request refused\n", false);
  if (step.done) return std::nullopt;
  if (step.ask_body) {
    constexpr std::string_view kContinue[] = {"HTTP/1.1 100 Continue\r\n\r\n"};
    writer_.Begin();
    if (!writer_.Send(kContinue, true) || !writer_.rest().empty()) return Next::kClose;
  }
  return Next::kReceive;
}

// Nothing when the request has been answered.
std::optional<Next> Session::Route() {
  const RequestHead& head = parser_->head();
  auto target = ParseTarget(head.target);
  if (!target) return Answer(400, "malformed target\n", false);
  target_ = std::move(*target);
  route_ = service_.router.Find(target_.path);
  if (route_ == nullptr) return Answer(404, "not found\n", true);
  const bool get = head.method == "GET" || head.method == "HEAD";
  handler_ = get ? &route_->get : &route_->post;
  if ((get || head.method == "POST") && *handler_) return Next::kRun;
  std::string allow = route_->get ? "GET, HEAD" : "";
  if (route_->post) allow += allow.empty() ? "POST" : ", POST";
  return Answer(405, "method not allowed\n", true, std::move(allow));
}

void Session::Work() {
  try {
    Serve();
  } catch (const std::exception& thrown) {  // no memory: this connection only
    service_.runtime.log.Error("http response failed",
                               {{"path", route_->path}, {"err", thrown.what()}});
    outcome_ = {.status = 500, .keep_alive = false, .cut = true, .peer = {}, .body = {}};
  }
}

void Session::Serve() {
  const RequestHead& head = parser_->head();
  const Request request{target_.path,
                        [this](std::string_view key) { return QueryValues(target_.query, key); },
                        [&head](std::string_view name) { return head.Find(name); }, head.method};
  auto response = Call(*handler_, request);
  if (!response) {
    service_.runtime.log.Error("http handler failed",
                               {{"path", route_->path}, {"err", response.error().message}});
    response = Text(500, "internal error\n");
  }
  const Exchange exchange{.http11 = head.http11,
                          .keep_alive = head.keep_alive && !service_.draining,
                          .head = head.method == "HEAD",
                          .gzip = AcceptsGzip(head.Find("Accept-Encoding"))};
  auto scratch = service_.TakeScratch();
  writer_.Begin();
  outcome_ = Respond(*response, exchange, service_.runtime.clock.wall(), writer_, *scratch);
  service_.GiveScratch(std::move(scratch));
  if (outcome_.body) {
    service_.runtime.log.Error("http response failed",
                               {{"path", route_->path}, {"err", outcome_.body->message}});
  }
}

// Small enough never to block.
std::optional<Next> Session::Answer(int status, std::string text, bool keep, std::string allow) {
  refused_ = !keep;
  const RequestHead& head = parser_->head();
  const Exchange exchange{.http11 = true,
                          .keep_alive = keep && head.keep_alive && !service_.draining,
                          .head = head.method == "HEAD"};
  Response response = Text(status, std::move(text));
  if (!allow.empty()) response.headers.emplace_back("Allow", std::move(allow));
  auto scratch = service_.TakeScratch();
  writer_.Begin();
  outcome_ = Respond(response, exchange, service_.runtime.clock.wall(), writer_, *scratch);
  service_.GiveScratch(std::move(scratch));
  return AfterAnswer();
}

std::optional<Next> Session::AfterAnswer() {
  service_.metrics.Answered(outcome_.status);
  if (outcome_.peer && outcome_.peer->code == Errc::kTimeout) {
    service_.metrics.Count(Closed::kWriteTimeout);
  }
  if (outcome_.cut) return Next::kCut;
  if (!writer_.rest().empty()) return Next::kSendRest;
  return AfterSending();
}

// Nothing when the next request may come.
std::optional<Next> Session::AfterSending() {
  parser_.reset();
  if (refused_) return Next::kLinger;
  if (!outcome_.keep_alive || service_.draining) return Next::kClose;
  return std::nullopt;
}

}  // namespace sidecar::http
