import type { Constraint, FinishReason, GeneratedToken } from '../../decode/index.ts'
import { textPieces } from '../../decode/index.ts'
import type { EngineGenerateOptions, GenerationStream } from '../../engine/index.ts'
import { nextTurn } from '../../platform/next-turn.ts'
import { tooLarge } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import type { RequestObserver, TokenCounts } from '../observer.ts'
import type { TextHost } from './text-host.ts'

/** One prompt, and how many answers are wanted of it. */
export interface Ask {
  readonly prompt: readonly number[]
  readonly count: number
  readonly seed: (choice: number) => bigint
  readonly options: EngineGenerateOptions
  readonly stop: readonly string[]
  /** Default: the tokenizer's end tokens. */
  readonly stopTokens?: readonly number[] | undefined
  readonly constraint?: Constraint | undefined
}

export interface Piece {
  readonly choice: number
  readonly text: string
  readonly tokens: readonly GeneratedToken[]
  readonly finish?: FinishReason
}

/** Answers on their way, all of them together. */
export interface Answering {
  /** Pieces of all answers as they come; leaving them leaves all. */
  readonly pieces: AsyncGenerator<Piece, void, undefined>
  counts(): TokenCounts
  /** Ends what is not ended. Resolves when its rows are free. */
  close(): Promise<void>
}

export interface AskContext {
  readonly host: TextHost
  readonly limits: ServeLimits
  readonly signal: AbortSignal
  readonly salt: string
  readonly observer: RequestObserver
}

/**
 * Puts all answers in line at once; what the engine refuses it refuses here, before anything is said. Rejects as `engine.generate` does,
 * with BusyError when the line is full.
 */
export async function startAnswers(asks: readonly Ask[], context: AskContext): Promise<Answering> {
  checkCount(asks, context.limits)
  const streams: GenerationStream[] = []
  let closed: Promise<void> | undefined
  const end = async () => {
    if (streams.length === 0) return
    await Promise.all(streams.map((stream) => stream.return()))
    context.observer.tokens(countsOf(asks, streams), waitOf(streams))
  }
  const close = () => (closed ??= end())
  try {
    const readers = asks.flatMap((ask) =>
      Array.from({ length: ask.count }, (_, choice) => {
        const stream = open(ask, choice, context)
        streams.push(stream)
        return textPieces(timed(stream, context.observer), context.host.tokenizer, ask.prompt, { stop: ask.stop })
      }),
    )
    const started = readers.map((reader) => ({ reader, next: reader.next() }))
    for (const { next } of started) next.catch(() => undefined)
    await Promise.race([Promise.all(started.map(({ next }) => next)), nextTurn()])
    return { pieces: merged(started, close), counts: () => countsOf(asks, streams), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What never fits is not asked to come again. */
function checkCount(asks: readonly Ask[], { runningRows, queuedRequests }: ServeLimits): void {
  const count = asks.reduce((total, ask) => total + ask.count, 0)
  const most = runningRows + queuedRequests
  if (count > most) throw tooLarge('n', `${count} answers in one request, expected at most the ${most} that run or wait`)
}

function open(ask: Ask, choice: number, { host, limits, signal, salt }: AskContext): GenerationStream {
  const { totalTime, firstTokenTime, nextTokenTime } = limits
  return host.engine.generate(ask.prompt, {
    ...ask.options,
    stopTokens: ask.stopTokens ?? host.tokenizer.endTokens,
    seed: ask.seed(choice),
    constraint: ask.constraint,
    deadlines: { total: totalTime, firstToken: firstTokenTime, nextToken: nextTokenTime },
    salt,
    signal,
  })
}

/** Tells the observer when tokens come, of each answer. */
async function* timed(stream: GenerationStream, observer: RequestObserver): AsyncGenerator<GeneratedToken, void, undefined> {
  let last = performance.now()
  for await (const token of stream) {
    const now = performance.now()
    if (token.index === 0) observer.firstToken(now - last)
    else observer.nextToken(now - last)
    last = now
    yield token
  }
}

type Reader = AsyncGenerator<Omit<Piece, 'choice'>, void, undefined>

interface Started {
  readonly reader: Reader
  readonly next: Promise<IteratorResult<Omit<Piece, 'choice'>, void>>
}

interface Arrival {
  readonly choice: number
  readonly result?: IteratorResult<Omit<Piece, 'choice'>, void>
  readonly failure?: { readonly error: unknown }
}

/**
 * Pieces of all readers as they come. An error of one is an error of all. No `Promise.race` over what is left: one that waits long would
 * keep a reaction for every piece of the others.
 */
async function* merged(started: readonly Started[], close: () => Promise<void>): AsyncGenerator<Piece, void, undefined> {
  const arrived: Arrival[] = []
  let wake: () => void = () => undefined
  const arrive = (arrival: Arrival) => {
    arrived.push(arrival)
    wake()
  }
  const watch = (choice: number, next: Started['next']) =>
    void next.then(
      (result) => arrive({ choice, result }),
      (error: unknown) => arrive({ choice, failure: { error } }),
    )
  for (const [choice, { next }] of started.entries()) watch(choice, next)
  try {
    for (let going = started.length; going > 0; ) {
      if (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      const { choice, result, failure } = arrived.shift()!
      if (failure !== undefined) throw failure.error
      if (result!.done === true) going--
      else {
        yield { choice, ...result!.value }
        watch(choice, started[choice]!.reader.next())
      }
    }
  } finally {
    await close()
  }
}

/** A prompt counts once, however many answers it has. */
function countsOf(asks: readonly Ask[], streams: readonly GenerationStream[]): TokenCounts {
  const prompt = asks.reduce((total, ask) => total + ask.prompt.length, 0)
  let cached = 0
  let at = 0
  for (const { count } of asks) {
    const reused = streams.slice(at, at + count).map(({ usage }) => usage.reusedTokens)
    cached += reused.length === 0 ? 0 : Math.min(...reused)
    at += count
  }
  const generated = streams.reduce((total, { usage }) => total + usage.generatedTokens, 0)
  return { prompt, cached, generated }
}

/** Of the answer that waited longest; undefined where none had a row. */
function waitOf(streams: readonly GenerationStream[]): number | undefined {
  const waits = streams.flatMap(({ usage }) => usage.waited ?? [])
  return waits.length === 0 ? undefined : Math.max(...waits)
}
