// Preloaded into an exporter: opening a file whose path ends with $SLOW_OPEN_SUFFIX waits. It makes
// the file $SLOW_OPEN_DIR/entered and goes on when $SLOW_OPEN_DIR/go exists.

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using Open = int (*)(const char*, int, ...);

int OpenSlowly(const char* path, int flags, mode_t mode) {
  static const Open next = reinterpret_cast<Open>(dlsym(RTLD_NEXT, "open"));
  const char* suffix = std::getenv("SLOW_OPEN_SUFFIX");
  const char* directory = std::getenv("SLOW_OPEN_DIR");
  if (suffix != nullptr && directory != nullptr && std::string_view(path).ends_with(suffix)) {
    const std::string entered = std::string(directory) + "/entered";
    const std::string go = std::string(directory) + "/go";
    close(next(entered.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    while (access(go.c_str(), F_OK) != 0) usleep(5'000);
  }
  return next(path, flags, mode);
}

mode_t ModeOf(int flags, va_list more) {
  return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(more, int)) : 0;
}

}  // namespace

extern "C" int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = ModeOf(flags, more);
  va_end(more);
  return OpenSlowly(path, flags, mode);
}

extern "C" int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = ModeOf(flags, more);
  va_end(more);
  return OpenSlowly(path, flags, mode);
}
