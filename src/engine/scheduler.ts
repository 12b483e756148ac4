import { OptionError } from '../base/errors.ts'

export interface SchedulerLimits {
  /** Most requests running at once. */
  readonly maxRows: number
  /** Most positions of all running requests together, counting what each may still grow to. */
  readonly maxSlots: number
  /** What may wait: requests beyond the running ones, and their tokens. A single request may always wait. */
  readonly queue: { readonly requests: number; readonly tokens: number }
  /** Most prompt tokens fed in one step, so that a long prompt does not hold up the others. */
  readonly chunk: number
  /** How many requests of a priority may go ahead of one that is a single priority less urgent and came before them. */
  readonly overtake: number
}

export interface ScheduledRequest {
  /** Not used by another unfinished request. */
  readonly id: number
  /** As `nice`: lower goes first. */
  readonly priority: number
  readonly promptLength: number
  /** Most tokens to be generated. */
  readonly maxTokens: number
}

/** `queue-full`, `queue-tokens`: too much waits already; `too-long`: needs more positions than there ever are. */
export type Refusal = 'queue-full' | 'queue-tokens' | 'too-long'

/** What changes before a step: rows that begin, and rows whose reader does not read, which make room for others meanwhile. */
export interface Admission {
  readonly admitted: readonly number[]
  readonly parked: readonly number[]
}

/** Tokens [from, from + count) of a request; `last`: no known token is left, so the next one can be chosen. */
export interface Piece {
  readonly id: number
  readonly from: number
  readonly count: number
  readonly last: boolean
}

export interface StepPlan {
  /** Prompts, or parts of them. */
  readonly prefill: readonly Piece[]
  /** Requests of which a single token is to be fed. */
  readonly decode: readonly number[]
}

export interface SchedulerLoad {
  readonly waiting: number
  readonly waitingTokens: number
  readonly running: number
  /** Of the running ones: those whose reader does not read. */
  readonly paused: number
  /** Left their row while their reader does not read. */
  readonly parked: number
  /** Positions that running requests hold. */
  readonly slotsUsed: number
  /** Positions that running requests may come to hold. */
  readonly slotsReserved: number
}

type Place = 'waiting' | 'running' | 'parked'

interface Entry {
  readonly id: number
  readonly promptLength: number
  /** Most positions: the last token is never fed. */
  readonly need: number
  /** Most tokens ever known. */
  readonly most: number
  /** Admission goes by rising key: the number of the arrival, later by `overtake` for every priority. Never changes, so none starves. */
  readonly key: number
  readonly arrival: number
  place: Place
  /** Tokens of prompt and answer so far. */
  known: number
  /** Of them, those in the state. */
  fed: number
  /** Number of the pause, rising; undefined while the reader reads. */
  paused: number | undefined
}

/**
 * Decides which requests run and what each step feeds. A data structure over numbers: no tensors, clocks or promises. Every step is
 * `admit()`, `plan()`, then for each piece `fed()`, and where it was the last piece `sampled()` or `remove()`.
 *
 * Requests are admitted in the order of arrival + overtake · priority. Hence first come, first served within a priority, and at most
 * `overtake` · (p − q) later requests of priority q go ahead of one of priority p: however many come, none starves. The first in this
 * order waits until its positions fit, and nobody goes ahead of it meanwhile.
 */
export class Scheduler {
  readonly #limits: SchedulerLimits
  readonly #entries = new Map<number, Entry>()
  /** By rising key. */
  readonly #waiting: Entry[] = []
  /** By rising key. */
  readonly #running: Entry[] = []
  #reserved = 0
  #queuedTokens = 0
  #arrivals = 0
  #pauses = 0

  constructor(limits: SchedulerLimits) {
    this.#limits = limits
  }

  /** Takes a request in, unless it says why not. */
  submit({ id, priority, promptLength, maxTokens }: ScheduledRequest): Refusal | undefined {
    if (this.#entries.has(id)) throw new OptionError(`request ${id} is there already`, { expected: 'an id of its own' })
    const { maxRows, maxSlots, queue, overtake } = this.#limits
    const need = promptLength + maxTokens - 1
    if (need > maxSlots) return 'too-long'
    if (this.#entries.size >= maxRows + queue.requests) return 'queue-full'
    const queued = this.#entries.size - this.#running.length
    if (queued > 0 && this.#queuedTokens + promptLength > queue.tokens) return 'queue-tokens'
    const arrival = this.#arrivals++
    const entry: Entry = {
      ...{ id, promptLength, need, arrival, most: promptLength + maxTokens, key: arrival + overtake * priority },
      ...{ place: 'waiting', known: promptLength, fed: 0, paused: undefined },
    }
    this.#entries.set(id, entry)
    this.#queue(entry)
    this.#queuedTokens += entry.known
    return undefined
  }

  /** Lets requests in, the first of the order first, as long as they fit; paused rows give way to them, the longest paused first. */
  admit(): Admission {
    const admitted: number[] = []
    const parked: number[] = []
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const leaving = this.#rowsInTheWayOf(first)
      if (leaving === undefined) break
      for (const entry of leaving) this.#park(entry)
      this.#waiting.shift()
      this.#start(first)
      parked.push(...leaving.map(({ id }) => id))
      admitted.push(first.id)
    }
    return { admitted, parked }
  }

  /**
   * What the next step feeds: one token of every row that has just one, and prompts up to the chunk. Prompts are cut at multiples of the chunk
   * whatever the company, as where a prompt is cut decides how sums are rounded.
   */
  plan(): StepPlan {
    const prefill: Piece[] = []
    const decode: number[] = []
    const { chunk } = this.#limits
    let room = chunk
    for (const { id, known, fed, paused } of this.#running) {
      if (paused !== undefined) continue
      if (known - fed === 1) decode.push(id)
      else if (room > 0) {
        const count = Math.min(known, (Math.floor(fed / chunk) + 1) * chunk) - fed
        if (count > room) continue
        room -= count
        prefill.push({ id, from: fed, count, last: fed + count === known })
      }
    }
    return { prefill, decode }
  }

  /** The row's state holds this many tokens more: they were fed, or found in a cache. */
  fed(id: number, count: number): void {
    const entry = this.#at(id, 'running')
    if (!Number.isInteger(count) || count < 0 || entry.fed + count > entry.known) {
      throw new OptionError(`request ${id}: ${count} tokens fed`, {
        expected: `at most the ${entry.known - entry.fed} that are left`,
      })
    }
    entry.fed += count
  }

  /** A token was chosen, behind all that are known. */
  sampled(id: number): void {
    const entry = this.#at(id, 'running')
    if (entry.fed !== entry.known || entry.known >= entry.most) {
      throw new OptionError(`request ${id}: a token before its turn`, {
        expected: 'all known tokens to be fed, and fewer than the most',
      })
    }
    entry.known++
  }

  /** Its reader does not read: the row rests, and gives way when others wait. */
  pause(id: number): void {
    this.#at(id, 'running').paused ??= this.#pauses++
  }

  /** Its reader reads again. A request that gave way goes back to its old place in the order. */
  resume(id: number): void {
    const entry = this.#at(id)
    entry.paused = undefined
    if (entry.place === 'parked') this.#queue(entry)
  }

  /** Finished, failed or cancelled: what it held is free. False when it was gone already. */
  remove(id: number): boolean {
    const entry = this.#entries.get(id)
    if (entry === undefined) return false
    this.#entries.delete(id)
    if (entry.place === 'running') this.#leaveRow(entry)
    else this.#queuedTokens -= entry.known
    if (entry.place === 'waiting') this.#waiting.splice(this.#waiting.indexOf(entry), 1)
    return true
  }

  isPaused(id: number): boolean {
    return this.#entries.get(id)?.paused !== undefined
  }

  load(): SchedulerLoad {
    return {
      waiting: this.#waiting.length,
      waitingTokens: sum(this.#waiting, 'known'),
      running: this.#running.length,
      paused: this.#running.filter(({ paused }) => paused !== undefined).length,
      parked: this.#entries.size - this.#waiting.length - this.#running.length,
      slotsUsed: sum(this.#running, 'fed'),
      slotsReserved: this.#reserved,
    }
  }

  /** What is wrong with the books; nothing, ever. */
  check(): string[] {
    const { maxRows, maxSlots, queue } = this.#limits
    const all = [...this.#entries.values()]
    const at = (place: Place) => all.filter((entry) => entry.place === place)
    const queued = all.filter(({ place }) => place !== 'running')
    const claims: [boolean, string][] = [
      [this.#running.length <= maxRows, 'more rows than allowed'],
      [this.#reserved <= maxSlots, 'more slots than allowed'],
      [all.length <= maxRows + queue.requests, 'more requests than allowed'],
      [this.#reserved === sum(this.#running, 'need'), 'reserved slots are not those of the rows'],
      [this.#queuedTokens === sum(queued, 'known'), 'waiting tokens are not those of the queue'],
      [sameMembers(this.#running, at('running')), 'a row without a request, or a request without its row'],
      [sameMembers(this.#waiting, at('waiting')), 'a place in the queue without a request, or a request without its place'],
      [inOrder(this.#running) && inOrder(this.#waiting), 'rows or queue out of order'],
      [all.every((entry) => entry.fed <= entry.known && entry.known <= entry.most), 'more tokens than a request may have'],
      [all.every((entry) => entry.fed <= entry.need), 'a row beyond what it reserved'],
      [queued.every(({ fed }) => fed === 0), 'a request without a row that holds slots'],
      [at('parked').every(({ paused }) => paused !== undefined), 'a parked request whose reader reads'],
      [at('waiting').every(({ paused }) => paused === undefined), 'a waiting request whose reader does not read'],
    ]
    return claims.flatMap(([holds, problem]) => (holds ? [] : [problem]))
  }

  /** The paused rows to park so that the request fits, possibly none; undefined when it does not fit. */
  #rowsInTheWayOf({ need }: Entry): Entry[] | undefined {
    const { maxRows, maxSlots } = this.#limits
    const paused = this.#running.filter((entry) => entry.paused !== undefined).sort((a, b) => a.paused! - b.paused!)
    let [rows, slots] = [this.#running.length, this.#reserved]
    const fits = () => rows < maxRows && slots + need <= maxSlots
    let count = 0
    while (!fits() && count < paused.length) {
      rows--
      slots -= paused[count++]!.need
    }
    return fits() ? paused.slice(0, count) : undefined
  }

  #start(entry: Entry): void {
    entry.place = 'running'
    insert(this.#running, entry)
    this.#reserved += entry.need
    this.#queuedTokens -= entry.known
  }

  #park(entry: Entry): void {
    this.#leaveRow(entry)
    entry.place = 'parked'
    entry.fed = 0
    this.#queuedTokens += entry.known
  }

  #queue(entry: Entry): void {
    entry.place = 'waiting'
    insert(this.#waiting, entry)
  }

  #leaveRow(entry: Entry): void {
    this.#running.splice(this.#running.indexOf(entry), 1)
    this.#reserved -= entry.need
  }

  #at(id: number, place?: Place): Entry {
    const entry = this.#entries.get(id)
    if (entry !== undefined && (place === undefined || entry.place === place)) return entry
    throw new OptionError(`request ${id} is ${entry?.place ?? 'unknown'}`, { expected: place ?? 'an unfinished request' })
  }
}

function precedes(a: Entry, b: Entry): boolean {
  return a.key < b.key || (a.key === b.key && a.arrival < b.arrival)
}

/** Behind all that precede it. */
function insert(entries: Entry[], entry: Entry): void {
  let at = entries.length
  while (at > 0 && precedes(entry, entries[at - 1]!)) at--
  entries.splice(at, 0, entry)
}

function inOrder(entries: readonly Entry[]): boolean {
  return entries.every((entry, i) => i === 0 || precedes(entries[i - 1]!, entry))
}

function sum(entries: readonly Entry[], field: 'need' | 'known' | 'fed'): number {
  return entries.reduce((total, entry) => total + entry[field], 0)
}

function sameMembers(a: readonly Entry[], b: readonly Entry[]): boolean {
  return a.length === b.length && b.every((entry) => a.includes(entry))
}
