// Dimensions of one name that come from several sources: one axis for all, of the places that all of them have.
//
// Places are the same where their labels are: times of any units to a ten-thousandth of their step, longitudes modulo
// 360 degrees, other values to a ten-thousandth of their spacing, in whichever order a source has them. Where times,
// latitudes or longitudes lie at other distances, nothing is thinned out in silence: that takes a step (resample,
// regrid). docs/decisions/065 says why there is one time for all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/node.h"

namespace seamount::prepare {

// Whether two axes have the same places in the same order, by label.
bool SamePlaces(const GridAxis& a, const GridAxis& b);

class CommonAxes {
 public:
  // `user` is the variable that brings the axis. InvalidArgument where labels do not meet. Axes of one source are not
  // brought together.
  Result<void> Add(const std::string& user, const AxisPtr& axis);
  // The variable at the places that all have. After every Add.
  NodePtr On(NodePtr node) const;
  // For people: what is left of each axis that lost places.
  std::vector<std::string> Notes() const;

 private:
  struct Common {
    AxisPtr axis;
    std::string user;
    std::vector<AxisPtr> all;
    bool several = false;  // sources
  };
  std::map<std::string, Common> by_name_;
};

}  // namespace seamount::prepare
