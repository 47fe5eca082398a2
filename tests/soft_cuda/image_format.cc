// Head, magic and digits of the two forms.
#include "tests/soft_cuda/image_format.h"

#include <cstdint>
#include <cstring>

namespace soft {
namespace {

struct Head {
  char magic[8];
  uint64_t bytes;
};
constexpr char kMagic[9] = "softcub1";
constexpr std::string_view kTextMagic = "// soft CUDA (simulator) image\n";
constexpr char kDigits[] = "0123456789abcdef";

}  // namespace

std::string UnpackImage(const char* image) {
  Head head;
  if (!std::strncmp(image, kTextMagic.data(), kTextMagic.size())) {
    std::string bytes;
    auto digit = [](char c) { return static_cast<int>(std::strchr(kDigits, c) - kDigits); };
    for (const char* p = image + kTextMagic.size(); p[0] && p[0] != '\n' && p[1]; p += 2)
      bytes.push_back(static_cast<char>(digit(p[0]) * 16 + digit(p[1])));
    return bytes;
  }
  if (std::strncmp(image, kMagic, sizeof head.magic)) return {};
  std::memcpy(&head, image, sizeof head);
  return std::string(image + sizeof head, head.bytes);
}

std::string MakeImage(std::string_view shared_object) {
  Head head;
  std::memcpy(head.magic, kMagic, sizeof head.magic);
  head.bytes = shared_object.size();
  return std::string(reinterpret_cast<const char*>(&head), sizeof head).append(shared_object);
}

std::string MakeText(std::string_view image) {
  std::string text(kTextMagic);
  for (const char c : image.substr(sizeof(Head))) {
    text.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    text.push_back(kDigits[c & 15]);
  }
  return text + "\n";
}

}  // namespace soft
