import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, bodyOf } from '../api-error.ts'
import { lastWords, type RawReply, type Socket } from './exchange.ts'

const phrases: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
}

/** Answers on the bare socket, where there is no request to answer, and closes it. */
export function answerSocket(socket: Socket, error: ApiError): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(bodyOf(error))
  const head = [
    `HTTP/1.1 ${error.status} ${phrases[error.status] ?? 'Error'}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${new TextEncoder().encode(body).length}`,
    ...(error.retryAfter === undefined ? [] : [`retry-after: ${error.retryAfter}`]),
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
  setTimeout(() => socket.destroy(), lastWords).unref()
}

/** An error of the connection itself, before there is a request: what Node's parser refuses. */
export function connectionError(code: string | undefined): ApiError {
  const refused = (status: number, name: string, message: string) =>
    new ApiError(message, { status, type: 'invalid_request_error', code: name })
  if (code === 'HPE_HEADER_OVERFLOW') return refused(431, 'headers_too_large', 'the headers are too long')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refused(408, 'request_timeout', 'the request did not arrive in time')
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return refused(413, 'too_large', 'the extensions of a chunk are too long')
  return refused(400, 'malformed_request', 'this is no HTTP request')
}

/**
 * Answers before the request's body is read, and reads on for a while: a connection closed while the client still sends is reset, and
 * the client never sees the answer.
 */
export function answerUnread(request: FastifyRequest, reply: FastifyReply, body: string): void {
  reply.hijack()
  const raw: RawReply = reply.raw
  raw.writeHead(reply.statusCode, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-length': new TextEncoder().encode(body).length,
    connection: 'close',
  })
  raw.write(body)
  const end = () => {
    clearTimeout(timer)
    raw.end()
  }
  const timer = setTimeout(end, lastWords)
  request.raw.once('end', end).once('close', end).resume()
}
