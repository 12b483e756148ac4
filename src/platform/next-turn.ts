/** Resolves in a later turn of the event loop: what waits there (input, timers, other requests) comes first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') {
      setImmediate(resolve)
      return
    }
    // Browsers hold timers back by some milliseconds, messages not.
    const { port1, port2 } = new MessageChannel()
    const arrived = () => {
      port1.close()
      resolve()
    }
    port1.addEventListener('message', arrived)
    port1.start()
    port2.postMessage(undefined)
  })
}
