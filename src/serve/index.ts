export { ApiError, type ApiErrorBody, type ApiErrorDetails, type ApiErrorType } from './api-error.ts'
export { type ServeLimits, serveLimits } from './limits.ts'
export type { NamedModel } from './model-source.ts'
export type { Outcome, RequestObserver, ServiceObserver, TokenCounts } from './observer.ts'
export { openService, type ServiceOptions } from './open-service.ts'
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
