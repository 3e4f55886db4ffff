#include "common/app/app.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "common/app/config_watch.h"
#include "common/app/flags.h"
#include "common/app/healthcheck.h"
#include "common/app/service.h"
#include "common/app/signals.h"
#include "common/app/version.h"

extern char** environ;

namespace sidecar {
namespace {

constexpr int kOk = 0, kCannotStart = 1, kWrongUse = 2;
constexpr std::string_view kEnvironmentPrefix = "SIDECAR_";
constexpr std::string_view kHealthcheck = "healthcheck";
constexpr Millis kHealthcheckTimeout{3'000};

std::vector<std::pair<std::string, std::string>> OwnEnvironment() {
  std::vector<std::pair<std::string, std::string>> own;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (!text.starts_with(kEnvironmentPrefix) || equals == std::string_view::npos) continue;
    own.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return own;
}

void Print(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

int Complain(const std::string& name, const Error& error, int code) {
  std::string text = error.message;
  if (!text.ends_with('\n')) text += '\n';
  Print(stderr, name + ": " + text);
  return code;
}

std::string VersionText(const std::string& name) {
  return name + ", version " + std::string(Version()) + " (revision: " + std::string(Revision()) +
         ")\n  compiler: " + std::string(Compiler()) + "\n";
}

// The collectors are the tables <exporter>.collectors.<name>; `enabled` has name and summary.
std::string ListCollectors(std::span<const FieldInfo> fields) {
  constexpr std::string_view kMiddle = ".collectors.";
  constexpr std::string_view kEnd = ".enabled";
  std::string list;
  for (const FieldInfo& field : fields) {
    const std::size_t middle = field.path.find(kMiddle);
    if (middle == std::string::npos || !field.path.ends_with(kEnd)) continue;
    std::string name = field.path.substr(middle + kMiddle.size());
    name.resize(name.size() - kEnd.size());
    name.resize(std::max<std::size_t>(name.size() + 1, 20), ' ');
    list += name + (field.value == "true" ? "on   " : "off  ") + field.help + "\n";
  }
  return list;
}

Result<> WriteStdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    return Fail(Errc::kUnavailable, "standard output cannot be written");
  }
  return {};
}

// Reloads on SIGHUP and when the configuration's files have changed and been left alone for a
// moment: a swap of ..data and an editor's save are several events.
void ServeUntilStopped(Service& service, const Sources& sources, Signals& signals,
                       const std::stop_token& stop) {
  constexpr int kQuietMs = 200, kPollMs = 10'000;
  constexpr int kMostEvents = 20;  // then a directory that is never quiet is looked at anyway
  ConfigWatch watch(sources.file, sources.dir);
  int events = 0;
  for (;;) {
    const bool watching =
        service.watches_files() && (!sources.file.empty() || !sources.dir.empty());
    const int fd = watching && events < kMostEvents ? watch.fd() : -1;
    const int idle = watching && watch.fd() < 0 ? kPollMs : -1;
    const Signal signal = signals.Wait(stop, fd, events > 0 ? kQuietMs : idle);
    if (signal == Signal::kStop) return;
    if (signal == Signal::kReadable) {
      watch.Drain();
      ++events;
      continue;
    }
    const bool changed = watch.Changed();
    // The error is in the log and the metrics; the old configuration goes on.
    if (signal == Signal::kReload || changed) static_cast<void>(service.Reload());
    events = 0;
  }
}

int Serve(const std::string& name, Service& service, const Sources& sources, Signals& signals,
          const std::stop_token& stop) {
  if (auto started = service.Start(); !started)
    return Complain(name, started.error(), kCannotStart);
  ServeUntilStopped(service, sources, signals, stop);
  service.log().Info("stopping, running scrapes finish");
  service.Drain();
  return kOk;
}

// Of every address of the exporter that runs with the same flags.
int RunHealthcheck(const std::string& name, Service& service, const Sources& sources) {
  const auto addresses = service.Addresses(sources);
  if (!addresses) return Complain(name, addresses.error(), kWrongUse);
  for (const std::string& address : *addresses) {
    auto alive = CheckHealth(address, kHealthcheckTimeout);
    if (!alive) return Complain(name, alive.error(), kCannotStart);
  }
  Print(stdout, "healthy\n");
  return kOk;
}

int RunConfigured(const std::string& name, Service& service, const ParsedFlags& flags,
                  const Sources& sources, Signals& signals, const std::stop_token& stop) {
  const auto effect =
      flags.print || flags.check ? Service::Effect::kIsShown : Service::Effect::kRuns;
  if (auto read = service.Configure(sources, effect); !read) {
    return Complain(name, read.error(), kWrongUse);
  }
  if (flags.print) {
    Print(stdout, service.PrintConfiguration());
    return kOk;
  }
  if (flags.check) {
    Print(stdout, "the configuration is valid\n" + service.Check());
    return kOk;
  }
  if (flags.once) {
    auto written = service.Once(WriteStdout);
    if (written && std::fflush(stdout) != 0) {
      written = Fail(Errc::kUnavailable, "standard output cannot be written");
    }
    return written ? kOk : Complain(name, written.error(), kCannotStart);
  }
  return Serve(name, service, sources, signals, stop);
}

}  // namespace

App::App(std::string name) : name_(std::move(name)) {}
App::~App() = default;

App& App::Add(std::unique_ptr<Exporter> exporter) {
  exporters_.push_back(std::move(exporter));
  return *this;
}

int App::Run(int argc, char** argv) {
  // Two arenas: a scrape's threads come and go, and each would keep an arena of its own resident.
  mallopt(M_ARENA_MAX, 2);
  // A limit's worth of rows is given back to the system at once. By default glibc raises its
  // threshold to the largest block it saw freed, and one flood would stay resident for good.
  mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  mallopt(M_TRIM_THRESHOLD, 512 * 1024);
  const std::unique_ptr<Clock> clock = MakeSystemClock();
  const std::vector<const char*> args(argv + 1, argv + argc);
  const int code = Run(args, *clock, {});
  // A run that was left behind may still read the clock: end it with the process, not before.
  std::fflush(stdout);
  ::_exit(code);
}

int App::Run(std::span<const char* const> args, const Clock& clock,
             const std::stop_token& stop) try {
  Signals signals;  // before any thread
  std::vector<std::string_view> refused;
  for (const auto& exporter : exporters_) {
    for (const std::string_view flag : exporter->refused_flags()) refused.push_back(flag);
  }
  Service service(name_, std::move(exporters_), clock);
  const std::vector<FieldInfo> fields = service.Describe();
  const bool healthcheck = !args.empty() && args.front() == kHealthcheck;
  const auto flags = ParseFlags(healthcheck ? args.subspan(1) : args, fields, refused);
  if (!flags) return Complain(name_, flags.error(), kWrongUse);
  if (flags->help) {
    Print(stdout, HelpText(name_, fields));
    return kOk;
  }
  if (flags->version) {
    Print(stdout, VersionText(name_));
    return kOk;
  }
  if (flags->list_collectors) {
    Print(stdout, ListCollectors(fields));
    return kOk;
  }
  const Sources sources{flags->config_file, flags->config_dir, OwnEnvironment(), flags->values};
  if (healthcheck) return RunHealthcheck(name_, service, sources);
  return RunConfigured(name_, service, *flags, sources, signals, stop);
} catch (const std::exception& e) {
  return Complain(name_, {Errc::kInternal, e.what()}, kCannotStart);
}

}  // namespace sidecar
