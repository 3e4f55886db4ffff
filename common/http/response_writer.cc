#include "common/http/response_writer.h"

#include <array>
#include <charconv>
#include <ctime>
#include <exception>

namespace sidecar::http {
namespace {

constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kWorthGzip = 1 << 10;
constexpr std::string_view kLastChunk = "0\r\n\r\n";

std::string_view Phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 302:
      return "Found";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

// Not strftime, whose names depend on the locale.
void AppendDate(std::string& head, Wall now) {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  const auto two = [&head](int number) {
    head += static_cast<char>('0' + number / 10 % 10);
    head += static_cast<char>('0' + number % 10);
  };
  head.append("Date: ").append(kDays.substr(static_cast<std::size_t>(utc.tm_wday) * 3, 3));
  head.append(", ");
  two(utc.tm_mday);
  head.append(" ").append(kMonths.substr(static_cast<std::size_t>(utc.tm_mon) * 3, 3));
  head.append(" ").append(std::to_string(utc.tm_year + 1900)).append(" ");
  two(utc.tm_hour);
  head += ':';
  two(utc.tm_min);
  head += ':';
  two(utc.tm_sec);
  head.append(" GMT\r\n");
}

// Whatever a handler puts into a value, it stays one line.
void AppendHeader(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ");
  for (const char c : value) head += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
  head.append("\r\n");
}

struct ChunkHeader {
  explicit ChunkHeader(std::size_t size) {
    char* const end = std::to_chars(text.data(), text.data() + text.size() - 2, size, 16).ptr;
    end[0] = '\r';
    end[1] = '\n';
    length = static_cast<std::size_t>(end + 2 - text.data());
  }
  std::string_view view() const { return {text.data(), length}; }

  std::array<char, 20> text{};
  std::size_t length = 0;
};

class Writer final : Packer {
 public:
  Writer(const Response& response, const Exchange& exchange, Wall now, Outlet& outlet,
         Scratch& scratch)
      : response_(response), exchange_(exchange), now_(now), outlet_(outlet), scratch_(scratch) {
    scratch_.out.clear();
  }

  Outcome Run() {
    Result<> made = Body();
    if (made && !failure_ && !overflow_) made = Finish();
    if (overflow_) SendHead();
    outcome_.keep_alive = exchange_.keep_alive && (sized_ || exchange_.http11);
    if (failure_) {
      outcome_.peer = std::move(failure_);
      outcome_.keep_alive = false;
      outcome_.cut = true;
    } else if (!made && !overflow_) {
      outcome_.body = std::move(made.error());
      outcome_.status = 500;
      outcome_.keep_alive = false;
      outcome_.cut = true;
    }
    return std::move(outcome_);
  }

  bool started() const { return started_; }

 private:
  Result<> Body() {
    if (!response_.body) return {};
    try {
      return response_.body(
          {[this](std::string_view piece) { return Add(piece); }, [this] { return packer(); }});
    } catch (const std::exception& thrown) {
      return Fail(Errc::kInternal, thrown.what());
    } catch (...) {
      return Fail(Errc::kInternal, "thrown: not a std::exception");
    }
  }

  // A body that has begun without it is not packed any more.
  Packer* packer() {
    if (!exchange_.gzip || !scratch_.out.empty() || started_ || overflow_) return nullptr;
    return gzip_ || StartGzip() ? this : nullptr;
  }
  Packed Pack(std::string_view text) override { return scratch_.gzip.Pack(text); }
  Result<> Add(const Packed& packed) override {
    if (overflow_) return Fail(Errc::kUnavailable, "HEAD wants no body");
    if (failure_) return Fail(*failure_);
    scratch_.gzip.Splice(packed, scratch_.out);
    return scratch_.out.size() <= kPiece ? Result<>() : SendPiece({});
  }

  Result<> Add(std::string_view piece) {
    if (overflow_) return Fail(Errc::kUnavailable, "HEAD wants no body");
    if (failure_) return Fail(*failure_);
    if (!exchange_.gzip) return AddPlain(piece);
    if (!gzip_ && scratch_.out.size() + piece.size() < kWorthGzip) {
      scratch_.out.append(piece);
      return {};
    }
    if (!gzip_ && !StartGzip()) {
      exchange_.gzip = false;
      return AddPlain(piece);
    }
    while (!piece.empty()) {
      const std::string_view part = piece.substr(0, kPiece);
      piece.remove_prefix(part.size());
      scratch_.gzip.Add(part, scratch_.out);
      if (scratch_.out.size() <= kPiece) continue;
      if (auto sent = SendPiece({}); !sent) return sent;
    }
    return {};
  }

  Result<> AddPlain(std::string_view piece) {
    if (scratch_.out.size() + piece.size() > kPiece) return SendPiece(piece);
    scratch_.out.append(piece);
    return {};
  }

  bool StartGzip() {
    if (!scratch_.gzip.Start()) return false;
    gzip_ = true;
    const std::string held = scratch_.out;  // less than kWorthGzip
    scratch_.out.clear();
    scratch_.gzip.Add(held, scratch_.out);
    return true;
  }

  // What is held, and `more` behind it, not copied.
  Result<> SendPiece(std::string_view more) {
    if (exchange_.head) {
      overflow_ = true;
      return Fail(Errc::kUnavailable, "HEAD wants no body");
    }
    if (!started_) MakeHead(std::nullopt);
    const ChunkHeader chunk(scratch_.out.size() + more.size());
    const bool chunked = exchange_.http11;
    const std::string_view parts[] = {started_ ? std::string_view() : scratch_.head,
                                      chunked ? chunk.view() : "", scratch_.out, more,
                                      chunked ? "\r\n" : ""};
    auto sent = Send(parts, false);
    scratch_.out.clear();
    return sent;
  }

  Result<> Finish() {
    if (gzip_) scratch_.gzip.Finish(scratch_.out);
    if (!started_) {
      MakeHead(scratch_.out.size());
      const std::string_view parts[] = {scratch_.head,
                                        exchange_.head ? std::string_view() : scratch_.out};
      return Send(parts, true);
    }
    const ChunkHeader chunk(scratch_.out.size());
    const bool chunked = exchange_.http11;
    const bool rest = !scratch_.out.empty();
    const std::string_view parts[] = {chunked && rest ? chunk.view() : "", scratch_.out,
                                      chunked && rest ? "\r\n" : "", chunked ? kLastChunk : ""};
    return Send(parts, true);
  }

  // HEAD of a body that GET would stream.
  void SendHead() {
    MakeHead(std::nullopt);
    const std::string_view parts[] = {scratch_.head};
    static_cast<void>(Send(parts, true));  // kept in failure_
  }

  Result<> Send(std::span<const std::string_view> parts, bool last) {
    started_ = true;
    auto sent = outlet_.Send(parts, last);
    if (!sent) failure_ = sent.error();
    return sent;
  }

  void MakeHead(std::optional<std::size_t> length) {
    std::string& head = scratch_.head;
    head.assign("HTTP/1.1 ").append(std::to_string(response_.status)).append(" ");
    head.append(Phrase(response_.status)).append("\r\n");
    AppendDate(head, now_);
    if (!response_.content_type.empty()) AppendHeader(head, "Content-Type", response_.content_type);
    for (const auto& [name, value] : response_.headers) AppendHeader(head, name, value);
    if (gzip_) head.append("Content-Encoding: gzip\r\n");
    head.append("Vary: Accept-Encoding\r\n");
    sized_ = length.has_value();
    if (length) {
      head.append("Content-Length: ").append(std::to_string(*length)).append("\r\n");
    } else if (exchange_.http11) {
      head.append("Transfer-Encoding: chunked\r\n");
    }
    const bool stays = exchange_.keep_alive && (length || exchange_.http11);
    if (!stays) head.append("Connection: close\r\n");
    if (stays && !exchange_.http11) head.append("Connection: keep-alive\r\n");
    head.append("\r\n");
    outcome_.status = response_.status;
  }

  const Response& response_;
  Exchange exchange_;
  const Wall now_;
  Outlet& outlet_;
  Scratch& scratch_;
  bool gzip_ = false;     // scratch_.out is compressed
  bool started_ = false;  // something was sent
  bool sized_ = false;
  bool overflow_ = false;  // HEAD: enough is known
  std::optional<Error> failure_;
  Outcome outcome_;
};

}  // namespace

Result<Response> Call(const Router::Handler& handler, const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception& thrown) {
    return Fail(Errc::kInternal, thrown.what());
  } catch (...) {
    return Fail(Errc::kInternal, "thrown: not a std::exception");
  }
}

Outcome Respond(const Response& response, const Exchange& exchange, Wall now, Outlet& outlet,
                Scratch& scratch) {
  Writer writer(response, exchange, now, outlet, scratch);
  Outcome outcome = writer.Run();
  if (!outcome.body || writer.started()) return outcome;
  // Nothing has left yet, so it can still be told. The reason goes to the log, not to the peer.
  const Response failed = Text(500, "internal error\n");
  Outcome told = Writer(failed, exchange, now, outlet, scratch).Run();
  told.body = std::move(outcome.body);
  return told;
}

}  // namespace sidecar::http
