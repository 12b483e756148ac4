export { ApiError, type ApiErrorBody, type ApiErrorDetails, type ApiErrorType } from './api-error.ts'
export { hashKey, type KeyHashes, newKey } from './http/keys.ts'
export { openServer, type Server } from './http/open-server.ts'
export type { LogLevel, ServerOptions } from './http/server-options.ts'
export { type ServeLimits, serveLimits } from './limits.ts'
export type { NamedModel } from './model-source.ts'
export { type Logger, logObserver } from './observe/log.ts'
export { type Metrics, type MetricsOptions, metricsObserver } from './observe/metrics.ts'
export { observers } from './observe/observers.ts'
export { traceObserver } from './observe/trace.ts'
export type { ObservedRequest, Outcome, RequestObserver, ServiceObserver, TokenCounts } from './observer.ts'
export { openService, type ServiceOptions } from './open-service.ts'
export { prefixKey } from './prefix-key.ts'
export type {
  Answer,
  AnswerOptions,
  Call,
  Endpoint,
  ModelState,
  PathParameters,
  ServerEvent,
  Service,
} from './service.ts'
