import * as v from 'valibot'
import { callable, checkOptions, wholeNumber } from '../base/options.ts'
import { type Device, openDevice } from '../platform/index.ts'
import { unavailable } from './api-error.ts'
import { chatCompletions } from './endpoints/chat-completions.ts'
import { completions } from './endpoints/completions.ts'
import { type EndpointContext, unixTime } from './endpoints/context.ts'
import { embeddings } from './endpoints/embeddings.ts'
import { forecasts } from './endpoints/forecasts.ts'
import { images } from './endpoints/images.ts'
import { model, models } from './endpoints/models.ts'
import { responses } from './endpoints/responses.ts'
import { score } from './endpoints/score.ts'
import { detokenize, tokenize } from './endpoints/tokenize.ts'
import { heldEvents } from './events.ts'
import { type ServeLimits, serveLimits } from './limits.ts'
import { ModelPool, type ModelSource } from './model-pool.ts'
import { checkNames, modelSource, type NamedModel } from './model-source.ts'
import { observed, silentObserver } from './observe-answer.ts'
import type { ServiceObserver } from './observer.ts'
import { findEndpoint } from './paths.ts'
import type { Answer, AnswerOptions, Endpoint, ModelState, Service } from './service.ts'
import type { TextHost } from './text/text-host.ts'

export interface ServiceOptions {
  /** What is served, by name. */
  readonly models: readonly NamedModel[]
  readonly limits?: Partial<ServeLimits> | undefined
  /** Threads of one operation. Default: the physical cores. */
  readonly threads?: number | undefined
  /** Where the models run, in the place of a device of the service's own. */
  readonly device?: Device | undefined
  /** Bytes of all loaded models, keys and values included. Default: 8 GiB. */
  readonly memoryBytes?: number | undefined
  /** Bytes of states that each language model keeps for prompts that begin alike; 0: none. Default 256 MiB. */
  readonly prefixCacheBytes?: number | undefined
  /** Tokens of a sequence, where a model's positions can be fewer or more than it says. */
  readonly context?: number | undefined
  /** Of conversations, in the place of the models' own: a template in the language of Jinja. */
  readonly chatTemplate?: string | undefined
  /** Names of models that are loaded by `warmUp`. Default: the first one. */
  readonly preload?: readonly string[] | undefined
  readonly observer?: ServiceObserver | undefined
}

const schema = v.strictObject({
  models: v.array(v.strictObject({ name: v.string(), path: v.string() })),
  limits: v.optional(v.looseObject({})),
  threads: v.optional(wholeNumber(1, 1024)),
  device: v.optional(v.looseObject({ run: callable })),
  memoryBytes: v.optional(wholeNumber(1)),
  prefixCacheBytes: v.optional(wholeNumber(0)),
  context: v.optional(wholeNumber(1)),
  chatTemplate: v.optional(v.string()),
  preload: v.optional(v.array(v.string())),
  observer: v.optional(v.looseObject({ begin: callable })),
})

/**
 * Models by name, and what can be asked of them. Models are loaded when somebody asks for them, or by `warmUp`. Rejects with OptionError
 * on unknown options and limits, and on names that are empty or there twice; DataError where there is no such model.
 * @example
 * await using service = await openService({ models: [{ name: 'stories', path: packageData('stories260K') }] })
 * const answer = await service.answer('/v1/completions', { model: 'stories', prompt: 'Once', max_tokens: 5 })
 */
export async function openService(options: ServiceOptions): Promise<Service> {
  checkOptions(schema, options, 'openService')
  const { models: named, threads, memoryBytes = 2 ** 33, prefixCacheBytes = 2 ** 28, context, chatTemplate } = options
  const limits = serveLimits(options.limits)
  checkNames(named)
  const device = options.device ?? (await openDevice(threads === undefined ? {} : { threads }))
  const own = options.device === undefined ? device : undefined
  try {
    const shared = { device, limits, chatTemplate, prefixCacheBytes, context }
    const sources = await Promise.all(named.map((each) => modelSource(each, shared)))
    const { preload = [named[0]!.name], observer } = options
    return serviceOf(sources, { limits, memoryBytes, preload, observer, device: own })
  } catch (error) {
    await own?.[Symbol.asyncDispose]()
    throw error
  }
}

export interface ServiceParts {
  readonly limits: ServeLimits
  readonly memoryBytes: number
  readonly preload: readonly string[]
  readonly observer?: ServiceObserver | undefined
  /** Closed with the service. */
  readonly device?: AsyncDisposable | undefined
}

/** A service over sources of models, wherever these come from. */
export function serviceOf(sources: readonly ModelSource[], parts: ServiceParts): Service {
  return new OpenService(sources, parts)
}

class OpenService implements Service {
  readonly endpoints: readonly Endpoint[]
  readonly #pool: ModelPool
  readonly #parts: ServiceParts
  /** Requests under way, and what stops them. */
  readonly #running = new Set<AbortController>()
  #idle: (() => void)[] = []
  #warming = false
  #isWarm = false
  #draining = false

  constructor(sources: readonly ModelSource[], parts: ServiceParts) {
    this.#pool = new ModelPool(sources, parts.memoryBytes)
    this.#parts = parts
    const context = { pool: this.#pool, limits: parts.limits }
    this.endpoints = endpointsOf(context).map((endpoint) => this.#counted(endpoint))
  }

  get ready(): boolean {
    return this.#isWarm && !this.#draining && this.check().length === 0
  }

  async answer(path: string, body?: unknown, options: AnswerOptions = {}): Promise<Answer> {
    const { signal = new AbortController().signal, caller = '', id = crypto.randomUUID() } = options
    const found = findEndpoint(this.endpoints, path)
    const observer = this.#parts.observer?.begin({ path: found.endpoint.path, id }) ?? silentObserver
    return observed(observer, signal, () =>
      found.endpoint.answer({ body, parameters: found.parameters }, { id, signal, caller, observer }),
    )
  }

  async warmUp(signal: AbortSignal = new AbortController().signal): Promise<void> {
    this.#warming = true
    try {
      for (const name of this.#parts.preload) await this.#warm(name, signal)
      this.#isWarm = true
    } finally {
      this.#warming = false
    }
  }

  models(): readonly ModelState[] {
    return this.#pool.states().map(({ name, kind, bytes, users, host }) => {
      const state = { name, kind, bytes, users, loaded: host !== undefined }
      if (host?.kind !== 'text') return state
      const { engine, stateBytes } = host as TextHost
      return { ...state, engine: engine.stats(), stateBytes: stateBytes() }
    })
  }

  check(): readonly string[] {
    return this.#pool.states().flatMap(({ name, host }) => (host?.check() ?? []).map((problem) => `${name}: ${problem}`))
  }

  async drain(): Promise<void> {
    this.#draining = true
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true
    for (const controller of this.#running) controller.abort(unavailable('the server stops', 'draining'))
    await this.#pool[Symbol.asyncDispose]()
    await this.#parts.device?.[Symbol.asyncDispose]()
  }

  /** The endpoint, refused while the service drains, counted while it answers, and stopped with the service. */
  #counted(endpoint: Endpoint): Endpoint {
    return {
      ...endpoint,
      answer: async (request, call) => {
        if (this.#draining) throw unavailable('the server drains: it takes no more requests', 'draining')
        if (this.#warming && endpoint.method === 'POST') throw unavailable('the server loads its models', 'loading')
        const controller = new AbortController()
        const end = this.#begin(controller)
        try {
          const signal = AbortSignal.any([call.signal, controller.signal])
          const answer = await endpoint.answer(request, { ...call, signal })
          if (answer.kind === 'events')
            return {
              kind: 'events',
              events: leftAt(
                signal,
                heldEvents(answer.events, async () => end()),
              ),
            }
          end()
          return answer
        } catch (error) {
          end()
          throw error
        }
      },
    }
  }

  async #warm(name: string, signal: AbortSignal): Promise<void> {
    const lease = await this.#pool.use(name, signal)
    try {
      if (lease.host.kind === 'text') await saySomething(lease.host as TextHost, signal)
    } finally {
      await lease.release()
    }
  }

  #begin(controller: AbortController): () => void {
    this.#running.add(controller)
    return () => {
      this.#running.delete(controller)
      if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }
}

/** Events that are left at an abort, though nobody reads them. */
function leftAt<Item>(signal: AbortSignal, events: AsyncGenerator<Item, void, undefined>): AsyncGenerator<Item, void, undefined> {
  signal.addEventListener('abort', () => void events.return().catch(() => undefined), { once: true })
  return events
}

function endpointsOf(context: EndpointContext): readonly Endpoint[] {
  const created = unixTime()
  return [
    models(context, created),
    model(context, created),
    chatCompletions(context),
    completions(context),
    responses(context),
    embeddings(context),
    score(context),
    tokenize(context),
    detokenize(context),
    images(context),
    forecasts(context),
  ]
}

/** One token, so that everything is compiled and laid out. */
async function saySomething({ engine, tokenizer }: TextHost, signal: AbortSignal): Promise<void> {
  const tokens = engine.generate([tokenizer.startToken ?? 0], { maxTokens: 2, temperature: 0, signal })
  for (let last = await tokens.next(); last.done !== true; last = await tokens.next());
}
