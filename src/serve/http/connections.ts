import type { Exchange, Socket } from './exchange.ts'

/** Requests that one connection may have at once, by sending them before the answers (HTTP pipelining). */
export const pipelineDepth = 16

export interface Connection {
  /** Requests that wait for an answer on it. */
  readonly exchanges: Set<Exchange>
  /** One too many: it is told so, unless it asks for the server's health. */
  readonly surplus: boolean
}

/** The server's connections. */
export class Connections {
  readonly #most: number
  readonly #open = new Map<Socket, Connection>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#open.size
  }

  accept(socket: Socket): void {
    const exchanges = new Set<Exchange>()
    this.#open.set(socket, { exchanges, surplus: this.#open.size >= this.#most })
    const leave = () => {
      for (const exchange of exchanges) exchange.leave()
    }
    // A client that closes its half gets no answer from Node's server either.
    socket.once('end', leave)
    socket.once('close', () => {
      this.#open.delete(socket)
      leave()
    })
  }

  /** Undefined where it has closed. */
  find(socket: Socket): Connection | undefined {
    return this.#open.get(socket)
  }
}
