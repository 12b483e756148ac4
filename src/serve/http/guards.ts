import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, tooLarge } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { isLoopback } from './server-options.ts'

function refused(status: number, code: string, message: string): ApiError {
  return new ApiError(message, { status, type: 'invalid_request_error', code })
}

/**
 * Without keys, what a web page makes a browser send must not reach the models: neither by a name that the page's owner points at this
 * machine (DNS rebinding), nor across origins.
 */
export function checkOrigin(request: FastifyRequest, hosts: readonly string[], origins: readonly string[]): void {
  const name = hostName(request.headers.host)
  if (name === undefined || !(isLoopback(name) || hosts.includes(name))) {
    throw refused(403, 'host_not_allowed', 'the Host header names another host; without keys, only this machine’s names are served')
  }
  const { origin } = request.headers
  if (origin !== undefined && !origins.includes(origin)) {
    throw refused(403, 'origin_not_allowed', 'requests of web pages are refused without keys, unless CORS allows their origin')
  }
}

/** The name of a Host header, without port and brackets. */
function hostName(host: string | undefined): string | undefined {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(host ?? '') ?? []
  return (bracketed ?? plain)?.toLowerCase()
}

const exposedHeaders = 'x-request-id, retry-after, x-nextx-prefix'
const headerNames = /^[\w-]+( *, *[\w-]+)*$/

/** Lets pages of the allowed origins read answers. True when that was all that was asked. */
export function crossOrigin(request: FastifyRequest, reply: FastifyReply, origins: readonly string[]): boolean {
  if (origins.length === 0) return false
  reply.header('vary', 'origin')
  const { origin } = request.headers
  if (origin === undefined || !origins.includes(origin)) return false
  reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', exposedHeaders)
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false
  const wanted = String(request.headers['access-control-request-headers'] ?? '')
  reply.header('access-control-allow-methods', 'GET, POST').header('access-control-max-age', '600')
  // Whatever it sends: the origin is trusted, and the key is checked in any case.
  if (wanted.length <= 2048 && headerNames.test(wanted)) reply.header('access-control-allow-headers', wanted)
  return true
}

/** What can be said of a body before it is read. */
export function checkBodyHeaders(request: FastifyRequest, limits: ServeLimits): void {
  const { headers, method } = request
  if (method !== 'POST') {
    if (hasBody(request)) throw refused(400, 'unexpected_body', `a ${method} request has no body`)
    return
  }
  if (!hasBody(request)) throw refused(400, 'empty_body', 'the body is empty; expected a JSON object')
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw refused(415, 'unsupported_encoding', 'compressed bodies are not read; send the body as it is')
  }
  if (!isJson(headers['content-type'])) {
    throw refused(415, 'unsupported_media_type', 'the body must be JSON: content-type: application/json, in UTF-8')
  }
  if (Number(headers['content-length']) > limits.bodyBytes) throw bodyTooLarge(limits)
}

export function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

export function bodyTooLarge({ bodyBytes }: ServeLimits): ApiError {
  return tooLarge(undefined, `the body is longer than ${bodyBytes} bytes`, 'body_too_large')
}

/** What a body will take at most. */
export function bodySize({ headers }: FastifyRequest, { bodyBytes }: ServeLimits): number {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : bodyBytes
}

/** Clients may ask whether to send the body at all; they are told to once they are admitted. */
export function checkExpectation({ headers: { expect } }: FastifyRequest): void {
  if (expect === undefined || expect.toLowerCase() === '100-continue') return
  throw refused(417, 'unknown_expectation', 'no expectation but 100-continue is met')
}

function isJson(contentType: string | undefined): boolean {
  const [media, ...parameters] = (contentType ?? '').split(';').map((part) => part.trim().toLowerCase())
  return media === 'application/json' && parameters.every((one) => one === '' || /^charset="?utf-?8"?$/.test(one))
}

/** HTTP/1.1 asks for exactly one, and for a path: addresses of other hosts are for proxies. */
export function checkHost(request: FastifyRequest): void {
  const given = request.raw.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length
  if (given > 1 || (given === 0 && request.raw.httpVersion !== '1.0')) {
    throw refused(400, 'bad_host', 'expected one Host header')
  }
  if (request.raw.url?.startsWith('/') !== true) throw refused(400, 'malformed_request', 'expected a path')
}
