// Share work among threads.
#pragma once

#include "problem.h"

#include <atomic>
#include <thread>
#include <vector>

namespace {

// Pieces of work: a thread that is free takes the next one.
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

// Do count pieces of work on the threads of a problem, this one included; return 0, or 1 if there is no memory. PyTorch's
// own threads are used if they can be: after each of its operations they wait in a loop, and would take cores from others.
template <class Arguments, class Work>
int parallel_for(const Arguments& p, Int count, const Work& work) {
  Share<Work> share(work, count);
  const Int threads = std::min(p.threads, count);
  if (threads > 1 && p.parallel) {
    p.parallel(Share<Work>::serve, &share, threads, 0);
    return share.failed;
  }
  std::vector<std::thread> others;
  try {
    for (Int k = 1; k < threads; k++) others.emplace_back([&] { share.serve(); });
  } catch (...) {  // go on with fewer threads
  }
  share.serve();
  for (std::thread& other : others) other.join();
  return share.failed;
}

}  // namespace
