#include <algorithm>

#include "common/http/server.h"

namespace sidecar {

Response Text(int status, std::string text) {
  return {status, "text/plain; charset=utf-8",
          [body = std::move(text)](const Write& write) { return write(body); }};
}

Router::Route& Router::Add(std::string path, Access access) {
  const auto known = std::ranges::find(routes_, path, &Route::path);
  if (known == routes_.end()) return routes_.emplace_back(Route{std::move(path), access, {}, {}});
  // One path has one access: the stricter, so that no order of calls opens a protected one.
  if (access == Access::kProtected) known->access = access;
  return *known;
}

void Router::Get(std::string path, Access access, Handler handler) {
  Add(std::move(path), access).get = std::move(handler);
}

void Router::Post(std::string path, Access access, Handler handler) {
  Add(std::move(path), access).post = std::move(handler);
}

const Router::Route* Router::Find(std::string_view path) const {
  const auto found = std::ranges::find(routes_, path, &Route::path);
  return found == routes_.end() ? nullptr : &*found;
}

}  // namespace sidecar
