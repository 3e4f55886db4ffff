// A service that is reloaded while it is scraped over HTTP; run under ThreadSanitizer too.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "common/app/service.h"
#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "tests/support/http_client.h"

namespace sidecar {
namespace {

using ::testing::HasSubstr;

constexpr auto kOption = Gauge("fake_option", "What the option says.");
constexpr auto kRuns = Counter("fake_runs_total", "Runs since the start, over every reload.");
constexpr int kReloads = 40, kBrokenEvery = 5;

struct Kept final : Collector {
  Kept(std::int64_t o, std::shared_ptr<std::atomic<std::int64_t>> r)
      : option(o), runs(std::move(r)) {}
  Result<> Collect(const Scrape&, Sink& sink) override {
    sink.Add(kOption, option);
    sink.Add(kRuns, ++*runs);
    return {};
  }
  std::int64_t option;
  std::shared_ptr<std::atomic<std::int64_t>> runs;
};

struct Fake final : Exporter {
  Identity identity() const override { return {"fake", "fake", 0}; }
  Result<Plan> Build(TableReader& table, Keep& keep, Runtime) override {
    std::int64_t option = 7;
    table.Field("option", option, "The option.", 0, 1'000);
    auto runs = keep.Get<std::atomic<std::int64_t>>(
        "runs", [] { return std::make_shared<std::atomic<std::int64_t>>(0); });
    Plan plan;
    plan.collectors.push_back({"kept", {}, std::make_unique<Kept>(option, std::move(runs))});
    return plan;
  }
  void AddRoutes(Router&) override {}
};

int FreePort() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), any, size) != 0 || ::getsockname(fd.get(), any, &size) != 0) return 0;
  return ntohs(address.sin_port);
}

// The value of a series without labels; -1 where there is none.
std::int64_t ValueOf(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stoll(text.substr(at + name.size() + 2));
}

struct Scraper {
  explicit Scraper(int port)
      : thread([this, port](const std::stop_token& stop) {
          HttpClient client(port);
          while (!stop.stop_requested()) Scrape(client);
        }) {}
  void Scrape(HttpClient& client) {
    const HttpReply reply = client.Get("/metrics");
    const std::int64_t runs = ValueOf(reply.body, "fake_runs_total");
    if (reply.status != 200 || runs < last) ++faults;
    last = runs;
    ++scrapes;
  }
  std::int64_t last = 0;
  std::atomic<int> faults = 0, scrapes = 0;
  std::jthread thread;  // last: it uses the rest
};

class ReloadUnderLoad : public testing::Test {
 protected:
  void SetUp() override {
    const std::string listen = "127.0.0.1:" + std::to_string(port_);
    Write("option = 7\n");
    Sources sources;
    sources.file = path_;
    sources.flags = {{"web.listen-address", listen}};
    std::vector<std::unique_ptr<Exporter>> exporters;
    exporters.push_back(std::make_unique<Fake>());
    service_ = std::make_unique<Service>("fake-exporter", std::move(exporters), *clock_);
    service_->Describe();
    const auto configured = service_->Configure(std::move(sources));
    ASSERT_TRUE(configured) << configured.error().message;
    const auto started = service_->Start();
    ASSERT_TRUE(started) << started.error().message;
  }
  void TearDown() override {
    service_->Drain();
    ::unlink(path_.c_str());
  }

  void Write(const std::string& option) { std::ofstream(path_) << "[fake]\n" + option; }

  const int port_ = FreePort();
  // Tests run at once, each in a process of its own.
  const std::string path_ =
      testing::TempDir() + "reload_test." + std::to_string(::getpid()) + ".toml";
  const std::unique_ptr<Clock> clock_ = MakeSystemClock();
  std::unique_ptr<Service> service_;
};

TEST_F(ReloadUnderLoad, AnswersEveryScrapeAndKeepsItsCounter) {
  Scraper first(port_);
  Scraper second(port_);
  HttpClient client(port_);
  for (int i = 0; i < kReloads; ++i) {
    const bool broken = i % kBrokenEvery == 0;
    Write(broken ? "option = \"many\"\n" : "option = " + std::to_string(i) + "\n");
    EXPECT_EQ(service_->Reload().has_value(), !broken) << i;
    const std::string text = client.Get("/metrics").body;
    EXPECT_EQ(ValueOf(text, "fake_option"), broken ? (i == 0 ? 7 : i - 1) : i);
    EXPECT_THAT(text, HasSubstr("sidecar_config_last_reload_successful{exporter=\"fake\"} " +
                                std::string(broken ? "0" : "1")));
  }
  while (first.scrapes < 20 || second.scrapes < 20) std::this_thread::yield();
  first.thread.request_stop();
  second.thread.request_stop();
  first.thread.join();
  second.thread.join();
  EXPECT_EQ(first.faults + second.faults, 0);
}

TEST_F(ReloadUnderLoad, TakesTwoReloadsAtOnceOneAfterTheOther) {
  Write("option = 9\n");
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([this] { EXPECT_TRUE(service_->Reload()); });
    }
  }
  EXPECT_EQ(ValueOf(HttpClient(port_).Get("/metrics").body, "fake_option"), 9);
}

}  // namespace
}  // namespace sidecar
