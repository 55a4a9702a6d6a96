// Work for several threads.
#pragma once

#include "problem.h"

#include <atomic>
#include <thread>
#include <vector>

namespace {

// Pieces of work that are taken one by one by whoever is free.
template <class Work>
struct Share {
  const Work& work;
  const Int count;
  std::atomic<Int> next{0};
  std::atomic<int> failed{0};

  Share(const Work& work, Int count) : work(work), count(count) {}

  static void serve(void* share) { static_cast<Share*>(share)->serve(); }

  void serve() {
    try {
      for (Int k = next++; k < count; k = next++) work(k);
    } catch (...) {  // there is no memory
      failed = 1;
    }
  }
};

// Do count pieces of work on the threads of p, this one among them; 0 if all went well. PyTorch's own threads are the
// best ones: for a while after each of its operations they wait in a loop, which takes a core from any others.
template <class Work>
int shared_out(const Problem& p, Int count, const Work& work) {
  Share<Work> share(work, count);
  const Int threads = std::min(p.threads, count);
  if (threads > 1 && p.parallel) {
    p.parallel(Share<Work>::serve, &share, threads, 0);
    return share.failed;
  }
  std::vector<std::thread> others;
  try {
    for (Int k = 1; k < threads; k++) others.emplace_back([&] { share.serve(); });
  } catch (...) {  // fewer threads then
  }
  share.serve();
  for (std::thread& other : others) other.join();
  return share.failed;
}

}  // namespace
