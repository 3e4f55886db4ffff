#include "common/http/server.h"

namespace sidecar {
namespace {

void Duration(TableReader& table, std::string_view key, Millis& value, std::string_view help) {
  table.Field(key, value, help);
  if (value < Millis(1) || value > std::chrono::hours(1)) {
    table.Reject(key, "must be between 1ms and 1h");
  }
}

}  // namespace

void ServerOptions::Read(TableReader& table) {
  table.Field("max_connections", max_connections,
              "Connections at once and listener set; past it the longest idle one is closed.", 1,
              65'536);
  table.Field("max_header_bytes", max_header_bytes, "Request line and headers (431).", 1'024,
              1 << 20);
  table.Field("max_body_bytes", max_body_bytes, "Body of a request (413).", 0, 16 << 20);
  Duration(table, "header_timeout", header_timeout, "From a request's first byte to its last.");
  Duration(table, "idle_timeout", idle_timeout, "A connection without a request is closed.");
  Duration(table, "write_timeout", write_timeout,
           "A whole response; a reader slower than that is dropped.");
}

}  // namespace sidecar
