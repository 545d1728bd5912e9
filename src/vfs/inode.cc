#include "vfs/inode.h"

#include "vfs/names.h"

namespace seamount::vfs {

InodeTree::InodeTree() : root_(std::make_shared<Inode>()) {
  root_->number = kRootInode;
  root_->kind = Kind::kDirectory;
  root_->lookups = 1;
  inodes_.emplace(kRootInode, root_);
}

InodeTree::~InodeTree() {
  for (const auto& [number, inode] : inodes_) inode->children.clear();
}

InodePtr InodeTree::Find(uint64_t number) const {
  const auto it = inodes_.find(number);
  return it == inodes_.end() ? nullptr : it->second;
}

InodePtr InodeTree::Child(const InodePtr& parent, std::string_view name) const {
  const auto it = parent->children.find(name);
  return it == parent->children.end() ? nullptr : it->second;
}

InodePtr InodeTree::Add(const InodePtr& parent, std::string name, Kind kind) {
  auto inode = std::make_shared<Inode>();
  inode->number = next_number_++;
  inode->kind = kind;
  inode->name = std::move(name);
  inode->parent = parent;
  inodes_.emplace(inode->number, inode);
  size_ = inodes_.size();
  parent->children.insert_or_assign(inode->name, inode);
  constexpr size_t kFew = 1024;
  if (turns_.size() > 2 * inodes_.size() + kFew) {
    std::erase_if(turns_, [this](uint64_t number) { return !inodes_.contains(number); });
  }
  turns_.push_back(inode->number);
  return inode;
}

void InodeTree::Detach(const InodePtr& inode) {
  // What is below has no key any more either: without the folder its path would name something else.
  for (const InodePtr& each : Subtree(inode)) each->gone = true;
  const InodePtr parent = std::move(inode->parent);
  inode->parent = nullptr;
  if (parent == nullptr) return;
  const auto it = parent->children.find(inode->name);
  if (it != parent->children.end() && it->second == inode) parent->children.erase(it);
  ReleaseIfUnused(inode);
  ReleaseIfUnused(parent);
}

void InodeTree::Move(const InodePtr& inode, const InodePtr& parent, std::string name) {
  const InodePtr before = inode->parent;
  if (before != nullptr) before->children.erase(inode->name);
  inode->name = std::move(name);
  inode->parent = parent;
  parent->children.insert_or_assign(inode->name, inode);
  if (before != nullptr) ReleaseIfUnused(before);
}

void InodeTree::ReleaseIfUnused(const InodePtr& inode) {
  if (inode->lookups > 0 || inode->handles > 0 || !inode->children.empty()) return;
  if (inode->number == kRootInode || inode->dirty()) return;
  // The maps may hold the last references.
  const InodePtr held = inode;  // NOLINT(performance-unnecessary-copy-initialization)
  const InodePtr parent = std::move(held->parent);
  held->parent = nullptr;
  inodes_.erase(held->number);
  size_ = inodes_.size();
  if (parent == nullptr) return;
  const auto it = parent->children.find(held->name);
  if (it != parent->children.end() && it->second == held) parent->children.erase(it);
  ReleaseIfUnused(parent);
}

std::vector<InodePtr> InodeTree::Subtree(const InodePtr& inode) const {
  std::vector<InodePtr> all = {inode};
  for (size_t i = 0; i < all.size(); ++i) {
    const InodePtr at = all[i];
    for (const auto& [name, child] : at->children) all.push_back(child);
  }
  return all;
}

std::vector<InodePtr> InodeTree::All() const {
  std::vector<InodePtr> all;
  all.reserve(inodes_.size());
  for (const auto& [number, inode] : inodes_) all.push_back(inode);
  return all;
}

std::vector<InodePtr> InodeTree::Surplus(size_t most, size_t at_once) {
  std::vector<InodePtr> surplus;
  for (size_t left = turns_.size(); left > 0; --left) {
    if (inodes_.size() - surplus.size() <= most || surplus.size() >= at_once) break;
    const InodePtr inode = Find(turns_.front());
    turns_.pop_front();
    if (inode == nullptr) continue;
    turns_.push_back(inode->number);
    const bool idle = inode->handles == 0 && !inode->dirty() && !inode->moving && !inode->gone;
    if (idle && inode->kind != Kind::kDirectory) surplus.push_back(inode);
  }
  return surplus;
}

std::string InodeTree::KeyOf(const Inode& inode) {
  if (inode.number == kRootInode) return {};
  std::string key(WithoutMark(inode.name));
  if (inode.kind == Kind::kDirectory) key += '/';
  for (const Inode* at = inode.parent.get(); at != nullptr && at->number != kRootInode; at = at->parent.get()) {
    key.insert(0, at->name + "/");
  }
  return key;
}

}  // namespace seamount::vfs
