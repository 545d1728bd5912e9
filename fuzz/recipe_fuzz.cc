// Recipes.
#include <string_view>

#include "prepare/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)seamount::prepare::ParseRecipe(text, "fuzz.yaml").has_value();
  return 0;
}
