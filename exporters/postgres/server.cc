#include "exporters/postgres/server.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {

Server::Server(std::string key, Conninfo conninfo, std::shared_ptr<Budget> budget, Runtime runtime)
    : key_(std::move(key)),
      conninfo_(std::move(conninfo)),
      budget_(std::move(budget)),
      runtime_(runtime) {}

Server::~Server() = default;

Server::Lease::Lease(std::shared_ptr<Server> server, std::string lane,
                     std::unique_ptr<ServerSession> session)
    : server_(std::move(server)), lane_(std::move(lane)), session_(std::move(session)) {
  session_->Attach(server_);
}

Server::Lease::~Lease() {
  session_->Attach(nullptr);  // an idle session must not keep the server that keeps it
  const std::scoped_lock lock(server_->mutex_);
  auto& idle = server_->idle_[lane_];
  // One that was left behind comes back late, and is a wreck.
  if (!idle || (session_->logged_in() && !idle->logged_in())) std::swap(idle, session_);
}

std::unique_ptr<Server::Lease> Server::Take(const std::string& lane) {
  std::unique_ptr<ServerSession> session;
  {
    const std::scoped_lock lock(mutex_);
    session = std::move(idle_[lane]);
  }
  if (!session) {
    using Use = ServerSession::Use;
    const auto use = lane == kLoginLane ? Use::kProbe : lane == kMainLane ? Use::kMain : Use::kSlow;
    session = std::make_unique<ServerSession>(*this, std::string(), use);
  }
  return std::make_unique<Lease>(shared_from_this(), lane, std::move(session));
}

std::unique_ptr<ServerSession> Server::Open(std::string database) {
  auto session =
      std::make_unique<ServerSession>(*this, std::move(database), ServerSession::Use::kVisit);
  session->Attach(shared_from_this());
  return session;
}

LoginState Server::login() const {
  const std::scoped_lock lock(mutex_);
  return login_;
}

bool Server::LoginOutdated() const {
  const LoginState last = login();
  return last.known &&
         clock().mono() - last.at > options().login_probe_interval + LoginGate::kLongestLogin;
}

std::optional<Mono> Server::NextLogin() const {
  const LoginState last = login();
  if (!last.known || !last.up) return std::nullopt;
  return last.at + options().login_probe_interval;
}

Millis Server::LoginPatience() const {
  constexpr Millis kLeast{1'000};
  const Millis twice(static_cast<Millis::rep>(2'000 * login().seconds));
  return std::clamp(twice, kLeast, std::max(kLeast, options().connect_timeout));
}

void Server::LoggedIn(double seconds) {
  bool again = false;
  {
    const std::scoped_lock lock(mutex_);
    again = login_.known && !login_.up;
    login_.known = login_.up = true;
    login_.seconds = seconds;
    login_.at = clock().mono();
    ++login_.succeeded;
    login_.error.clear();
    login_.given_up = 0;
    login_.left = false;
  }
  if (again) log().Info("login works again", {{"exporter", "postgres"}, {"seconds", seconds}});
}

void Server::GaveUp() {
  const std::scoped_lock lock(mutex_);
  ++login_.given_up;
}

void Server::LeftNamed() {
  const std::scoped_lock lock(mutex_);
  login_.left = true;
}

void Server::LoginFailed(const Error& error) {
  bool changed = false;
  {
    const std::scoped_lock lock(mutex_);
    changed = !login_.known || login_.up || login_.error != error.message;
    login_.known = true;
    login_.up = false;
    login_.at = clock().mono();
    ++login_.failed;
    login_.error = error.message;
  }
  if (changed) log().Warn("login failed", {{"exporter", "postgres"}, {"err", error.message}});
}

}  // namespace sidecar::postgres
