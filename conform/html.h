// The report as one page that needs nothing beside it.
#ifndef CONFORM_HTML_H_
#define CONFORM_HTML_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace sy::conform {

// `report`: of JsonReport().
std::string HtmlReport(const nlohmann::json& report);

}  // namespace sy::conform

#endif  // CONFORM_HTML_H_
