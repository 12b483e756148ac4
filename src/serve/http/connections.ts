import { unavailable } from '../api-error.ts'
import type { Exchange, Socket } from './exchange.ts'
import { answerSocket } from './raw-answer.ts'

/** Requests that one connection may have at once, by sending them before the answers (HTTP pipelining). */
export const pipelineDepth = 16

/** The server's connections, each with the requests that wait for an answer on it. */
export class Connections {
  readonly #most: number
  readonly #open = new Map<Socket, Set<Exchange>>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#open.size
  }

  /** One connection too many is told so, and closed. */
  accept(socket: Socket): void {
    if (this.#open.size >= this.#most) {
      answerSocket(socket, unavailable('the server has all the connections that it takes', 'too_many_connections'))
      return
    }
    const exchanges = new Set<Exchange>()
    this.#open.set(socket, exchanges)
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

  /** Undefined where the connection has been refused, or has closed. */
  exchangesOf(socket: Socket): Set<Exchange> | undefined {
    return this.#open.get(socket)
  }
}
