"""Is a task really long-lag? Three baselines that have no long memory, or have not learned."""
