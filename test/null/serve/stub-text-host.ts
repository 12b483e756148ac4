import { OptionError } from '../../../src/base/errors.ts'
import type { ConstraintState } from '../../../src/decode/constraint.ts'
import { score } from '../../../src/decode/index.ts'
import { embed, openEngine } from '../../../src/engine/index.ts'
import { type GrammarCompiler, openGrammarCompiler } from '../../../src/grammars/index.ts'
import { type ServeLimits, serveLimits } from '../../../src/serve/limits.ts'
import type { ModelSource } from '../../../src/serve/model-pool.ts'
import type { TextHost } from '../../../src/serve/text/text-host.ts'
import { chatTemplate, encodeChat } from '../../../src/tokenizers/index.ts'
import { byteTokenizer } from '../decode/byte-tokenizer.ts'
import { hashedLogits, StubStepper } from '../decode/stub-stepper.ts'

const template = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: '

export interface StubModel {
  readonly name?: string
  /** What the model answers to what it has read, or random text. */
  readonly says?: (read: string) => string
  readonly limits?: Partial<ServeLimits>
  readonly contextLength?: number
  /** Milliseconds of a step. */
  readonly delay?: number
  readonly withoutTemplate?: boolean
  readonly template?: string
  /** Forms that hold, or that hold nothing back; without them, forms are refused. */
  readonly grammars?: 'real' | 'anything'
}

export interface StubHost extends TextHost {
  readonly stepper: StubStepper
}

/** A text host over the obvious stepper: bytes, and an answer that is known or random. */
export function stubTextHost({
  says,
  limits: given,
  contextLength = 512,
  delay = 0,
  withoutTemplate,
  template: own,
  grammars,
}: StubModel = {}): StubHost {
  const limits = serveLimits(given)
  const logitsOf = says === undefined ? hashedLogits(byteTokenizer.vocabularySize) : scripted(says)
  const stepper = new StubStepper(byteTokenizer.vocabularySize, contextLength, logitsOf)
  if (delay > 0) slowDown(stepper, delay)
  const engine = openEngine(stepper, {
    maxRows: limits.runningRows,
    maxWaiting: limits.queuedRequests,
    maxWaitingTokens: limits.queuedTokens,
  })
  const format = chatTemplate(own ?? template)
  let compiler: Promise<GrammarCompiler> | undefined
  return {
    kind: 'text',
    stepper,
    engine,
    tokenizer: { ...byteTokenizer },
    longestToken: 1,
    chat: withoutTemplate
      ? undefined
      : {
          encode: (messages, options) => encodeChat(byteTokenizer, format, messages, options),
          stop: [],
          writesTools: format.source.includes('tools'),
        },
    constraintOf: async (spec, signal) => {
      if (grammars === undefined) throw new OptionError('the stub knows no forms')
      if (grammars === 'anything') return { open: async () => anything }
      compiler ??= openGrammarCompiler({ tokenizer: byteTokenizer })
      return (await compiler).compile(spec, { signal })
    },
    embed: (sequences, signal) => embed(stepper, sequences, { signal }),
    score: (tokens, options) => score(stepper, tokens, options),
    stateBytes: () => 0,
    bytes: () => 1000,
    check: () => engine.check(),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await (await compiler)?.[Symbol.asyncDispose]()
    },
  }
}

const anything: ConstraintState = {
  allowed: async () => undefined,
  advance: async () => undefined,
  finished: false,
  close: async () => undefined,
}

/** A source that counts how often it was opened, and gives its last host away. */
export function stubSource(model: StubModel = {}): ModelSource & { opened: number; last: StubHost | undefined } {
  return {
    name: model.name ?? 'stub',
    kind: 'text',
    bytes: 1000,
    opened: 0,
    last: undefined,
    async open() {
      this.opened++
      this.last = stubTextHost(model)
      return this.last
    },
  }
}

/** Logits that leave one token: the next of what is said, then the end. What was read ends with the last "assistant: ", or with the prompt's `|`. */
function scripted(says: (read: string) => string) {
  return (tokens: readonly number[]) => {
    const text = Buffer.from(tokens.filter((id) => id < 256)).toString('latin1')
    const cut = Math.max(...['assistant: ', '|'].map((mark) => text.lastIndexOf(mark) + (text.includes(mark) ? mark.length : 1)))
    const bytes = Buffer.from(says(text.slice(0, cut)))
    const next = bytes[text.length - cut] ?? byteTokenizer.endTokens[0]!
    return Float32Array.from({ length: byteTokenizer.vocabularySize }, (_, id) => (id === next ? 0 : -50))
  }
}

function slowDown(stepper: StubStepper, delay: number): void {
  const extend = stepper.extend.bind(stepper)
  stepper.extend = async (batch, options) => {
    await new Promise((resolve) => setTimeout(resolve, delay))
    return extend(batch, options)
  }
}
