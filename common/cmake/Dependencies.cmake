# Every third-party library, found once; all come from Debian 12. ADRs say what each is for.
find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED)  # headers only: Asio and Beast
find_package(ZLIB REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
find_path(SIDECAR_TOML11 toml.hpp REQUIRED)
find_path(SIDECAR_CLI11 CLI/CLI.hpp REQUIRED)
find_path(SIDECAR_EXPECTED tl/expected.hpp REQUIRED)
