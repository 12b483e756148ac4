import { shortened } from '../base/options.ts'
import { SerialQueue } from '../base/serial.ts'
import { unlessAborted } from '../base/unless-aborted.ts'
import { ApiError, unavailable } from './api-error.ts'

/** A model that is loaded. */
export interface Host extends AsyncDisposable {
  readonly kind: 'text' | 'pictures' | 'series'
  /** Bytes that it holds now. */
  bytes(): number
  /** What is wrong inside; nothing, ever. */
  check(): readonly string[]
}

/** A model by name, loaded or not. */
export interface ModelSource {
  readonly name: string
  readonly kind: Host['kind']
  /** Bytes that it will hold, by estimate. */
  readonly bytes: number
  open(signal: AbortSignal): Promise<Host>
}

/** A loaded model that stays loaded until it is given back. */
export interface Lease {
  readonly name: string
  readonly host: Host
  release(): Promise<void>
}

export interface PooledModel {
  readonly name: string
  readonly kind: Host['kind']
  readonly bytes: number
  readonly users: number
  readonly host: Host | undefined
}

interface Entry {
  readonly source: ModelSource
  users: number
  /** Number of the last use, rising. */
  used: number
  host: Host | undefined
  loading: Promise<Host> | undefined
}

/** Models by name, loaded when somebody asks for one, within a budget of bytes: of those that nobody uses, the least recently used goes. */
export class ModelPool implements AsyncDisposable {
  readonly #entries: ReadonlyMap<string, Entry>
  readonly #budget: number
  readonly #stop = new AbortController()
  /** One model is loaded at a time, so that what others take is known. */
  readonly #loads = new SerialQueue()
  #uses = 0

  constructor(sources: readonly ModelSource[], budget: number) {
    this.#entries = new Map(
      sources.map((source) => [source.name, { source, users: 0, used: 0, host: undefined, loading: undefined }]),
    )
    this.#budget = budget
  }

  /**
   * Rejects with ApiError: 404 where there is no such model, 503 where those in use leave no room for it; with the signal's reason after an
   * abort, which leaves the loading to others that may wait for it.
   */
  async use(name: string, signal: AbortSignal): Promise<Lease> {
    const entry = this.#entries.get(name)
    if (entry === undefined) throw unknownModel(name)
    entry.users++
    entry.used = ++this.#uses
    let released = false
    const release = async () => {
      if (released) return
      released = true
      entry.users--
    }
    try {
      return { name, host: entry.host ?? (await unlessAborted(this.#load(entry), signal)), release }
    } catch (error) {
      await release()
      throw error
    }
  }

  states(): readonly PooledModel[] {
    return [...this.#entries.values()].map(stateOf)
  }

  /** Throws ApiError where there is no such model. */
  state(name: string): PooledModel {
    const entry = this.#entries.get(name)
    if (entry === undefined) throw unknownModel(name)
    return stateOf(entry)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(unavailable('the server stops', 'draining'))
    for (const entry of this.#entries.values()) {
      await entry.loading?.catch(() => undefined)
      await this.#unload(entry)
    }
  }

  /** Several who wait for one model wait for the same load. */
  #load(entry: Entry): Promise<Host> {
    entry.loading ??= this.#loads
      .run(() => this.#open(entry))
      .finally(() => {
        entry.loading = undefined
      })
    return entry.loading
  }

  async #open(entry: Entry): Promise<Host> {
    this.#stop.signal.throwIfAborted()
    await this.#makeRoom(entry.source)
    const host = await entry.source.open(this.#stop.signal)
    entry.host = host
    return host
  }

  async #makeRoom({ name, bytes }: ModelSource): Promise<void> {
    const idle = [...this.#entries.values()].filter(({ host, users }) => host !== undefined && users === 0)
    for (const entry of idle.sort((a, b) => a.used - b.used)) {
      if (this.#held() + bytes <= this.#budget) return
      await this.#unload(entry)
    }
    if (this.#held() + bytes <= this.#budget || this.#held() === 0) return
    throw unavailable(`the models in use leave no room for '${shortened(name)}'`, 'model_not_loaded', 5)
  }

  #held(): number {
    return [...this.#entries.values()].reduce((total, { host }) => total + (host?.bytes() ?? 0), 0)
  }

  async #unload(entry: Entry): Promise<void> {
    const { host } = entry
    entry.host = undefined
    await host?.[Symbol.asyncDispose]()
  }
}

function stateOf({ source: { name, kind, bytes }, users, host }: Entry): PooledModel {
  return { name, kind, bytes: host?.bytes() ?? bytes, users, host }
}

function unknownModel(name: string): ApiError {
  const problem = `there is no model '${shortened(name, 100)}'`
  return new ApiError(problem, { status: 404, type: 'not_found_error', code: 'model_not_found', param: 'model' })
}
