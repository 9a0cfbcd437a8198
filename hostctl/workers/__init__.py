"""Processes and threads that do the heavy work.

parallel       Work spread over processes of this host, or of the cluster that joblib is set to: jobs in, results as
               they come
parents        Worker processes end with the process that started them, however that ends
processes      Processes that keep what they have loaded from one job to the next, for work that takes seconds to get
               ready
steady_memory  Keeps the memory of a long session flat: few heaps for its many threads
"""
