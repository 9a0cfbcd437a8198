"""The host's call in a thread of its own, while the test's thread is playwright's."""

from concurrent.futures import ThreadPoolExecutor

PATIENCE_S = 120.0


class HostThread:
    """A call that starts once a page is open; result() keeps the browser going until it has ended."""

    def __init__(self, call, link, page):
        self.page, self.pool = page, ThreadPoolExecutor(1)
        self.future = self.pool.submit(lambda: (link.wait_for_page(timeout_s=PATIENCE_S), call())[1])

    def result(self):
        while not self.future.done():
            self.page.wait_for_timeout(50)
        self.pool.shutdown()
        return self.future.result()
