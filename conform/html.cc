#include "conform/html.h"

#include <nlohmann/json.hpp>
#include <string_view>

namespace sy::conform {
namespace {

constexpr std::string_view kPage =
#include "conform/report.inc"
    ;
constexpr std::string_view kPlace = "@REPORT@";

}  // namespace

std::string HtmlReport(const nlohmann::json& report) {
  std::string data = report.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  // "</script>" within a text would end the element; "<" may be written so in any JSON string, and
  // stands nowhere else.
  for (size_t at = 0; (at = data.find('<', at)) != std::string::npos; at += 6)
    data.replace(at, 1, "\\u003c");
  const size_t place = kPage.find(kPlace);
  return std::string(kPage.substr(0, place)) + data +
         std::string(kPage.substr(place + kPlace.size()));
}

}  // namespace sy::conform
