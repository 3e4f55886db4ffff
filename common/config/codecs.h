#pragma once
// How each type of option is read from a file, from text and written back. The codec refers to the
// variable it is made for; the caller keeps that alive while it uses the codec. One thread.

#include "common/config/table_node.h"

namespace sidecar::config {

Codec CodecOf(bool& value);
Codec CodecOf(std::int64_t& value, std::int64_t min, std::int64_t max);
Codec CodecOf(double& value, double min, double max);
Codec CodecOf(std::string& value);
Codec CodecOf(std::vector<std::string>& value);
Codec CodecOf(std::map<std::string, double>& value);  // a table of numbers; files only
Codec CodecOf(std::chrono::milliseconds& value);
Codec CodecOf(Secret& value);  // text and flags: the path of a file

std::string_view KindName(const Value& value);  // "an integer"

}  // namespace sidecar::config
