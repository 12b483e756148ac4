import { bytesPerElement, elementCount } from '../../base/dtype.ts'
import { DataError, OptionError } from '../../base/errors.ts'
import { matricesIn, namedVariables, type QuantizedReport } from '../../nn/index.ts'
import { exists } from '../../platform/files.ts'
import { quantizeText, saveModel, scoreText, type TextModel, type TextScore } from '../../systems/index.ts'
import { interruptible } from '../exit.ts'
import { byteSize, decimals, duration, table } from '../format.ts'
import { withModel } from '../model.ts'
import { openBar } from '../progress.ts'
import type { QuantizeFlags } from '../quantize.ts'
import { readText } from '../read-text.ts'
import { readStdin } from '../stdin.ts'
import { note, writeJson, writeLines } from '../terminal.ts'

/** What the command found; scores only with `--text`. */
interface Outcome {
  readonly out: string
  readonly bits: number
  readonly blockSize: number
  readonly method: string
  readonly seconds: number
  readonly bytes: { readonly before: number; readonly after: number }
  readonly matrices: readonly QuantizedReport[]
  readonly score?: { readonly before: TextScore; readonly after: TextScore }
}

/** `nextx quantize`. */
export async function quantizeAction(name: string, flags: QuantizeFlags): Promise<void> {
  await interruptible(async (signal) => {
    if (await exists(flags.out)) throw new DataError(`'${flags.out}' exists already`, { fix: 'give another folder with --out' })
    const text = await textOf(flags.text, signal)
    const calibration = await textOf(flags.calibration, signal)
    const outcome = await withModel(name, { ...flags, weights: 'float32', signal }, async (model) => {
      const kept = keptMatrices(model, flags.keep)
      const sizeBefore = byteSizeOf(model)
      const before = text === undefined ? undefined : await scored(model, text, signal)
      const started = performance.now()
      const matrices = await quantized(model, { ...flags, kept }, calibration, signal)
      const seconds = (performance.now() - started) / 1000
      await saveModel(model, flags.out)
      const after = text === undefined ? undefined : await scored(model, text, signal)
      return {
        ...{ out: flags.out, bits: flags.bits, blockSize: flags.block, method: methodOf(flags), seconds, matrices },
        bytes: { before: sizeBefore, after: byteSizeOf(model) },
        ...(before !== undefined && after !== undefined && { score: { before, after } }),
      }
    })
    if (flags.json === true) writeJson(outcome)
    else writeLines(pageOf(outcome))
    warnOfDamping(outcome.matrices)
  })
}

async function textOf(file: string | undefined, signal: AbortSignal): Promise<string | undefined> {
  if (file === undefined) return undefined
  return file === '-' ? readStdin('the text', signal) : readText(file)
}

function methodOf({ method, calibration }: QuantizeFlags): 'nearest' | 'gptq' {
  return method ?? (calibration === undefined ? 'nearest' : 'gptq')
}

async function quantized(
  model: TextModel,
  flags: QuantizeFlags & { readonly kept: ReadonlySet<string> },
  calibration: string | undefined,
  signal: AbortSignal,
) {
  const bar = openBar('quantising', 'matrices')
  try {
    return await quantizeText(model, {
      ...{ bits: flags.bits, blockSize: flags.block, method: methodOf(flags), clip: flags.clip, signal },
      selects: (matrix) => !flags.kept.has(matrix),
      ...(calibration !== undefined && { calibration, calibrationTokens: flags.calibrationTokens }),
      onProgress: (done, total) => bar.show(done, total),
    })
  } finally {
    bar.close()
  }
}

async function scored(model: TextModel, text: string, signal: AbortSignal): Promise<TextScore> {
  const bar = openBar('scoring', 'tokens')
  try {
    return await scoreText(model, text, { signal, onProgress: (done, total) => bar.show(done, total) })
  } finally {
    bar.close()
  }
}

/** Names of the matrices that have one of the parts in their name; a head without a matrix of its own has that of the embeddings. */
function keptMatrices({ network }: TextModel, parts: readonly string[]): ReadonlySet<string> {
  const names = matricesIn(network).map(({ name }) => name)
  const isShared = (name: string) => name === 'model.embed_tokens.weight' && !names.includes(headName)
  const having = (part: string) => names.filter((name) => name.includes(part) || (isShared(name) && headName.includes(part)))
  const strange = parts.find((part) => having(part).length === 0)
  if (strange === undefined) return new Set(parts.flatMap(having))
  throw new OptionError(`--keep ${strange}: no matrix has it in its name`, {
    expected: `parts of names such as ${names.slice(0, 8).join(', ')}`,
  })
}

const headName = 'lm_head.weight'

/** Of all weights, as they are kept. */
function byteSizeOf({ network }: TextModel): number {
  return [...namedVariables(network).values()].reduce(
    (total, { dtype, concreteShape }) => total + elementCount(concreteShape) * bytesPerElement[dtype],
    0,
  )
}

function pageOf({ out, bits, blockSize, method, seconds, bytes, matrices, score }: Outcome): string[] {
  const facts = [
    ['model', out],
    ['format', `${bits} bits in blocks of ${blockSize}, ${method}`],
    ['matrices', `${matrices.length}, in ${duration(seconds)}`],
    ['size', `${byteSize(bytes.before)} → ${byteSize(bytes.after)}, ${decimals((100 * bytes.after) / bytes.before, 1)}%`],
  ]
  if (score === undefined) return table(facts)
  const { before, after } = score
  const row = (what: string, of: (score: TextScore) => number) => [
    ...[what, decimals(of(before), 4), decimals(of(after), 4)],
    `${decimals(100 * (of(after) / of(before) - 1), 2)}%`,
  ]
  const rows = [
    ['', 'before', 'after', 'change'],
    row('perplexity', ({ perplexity }) => perplexity),
    row('nats per token', ({ natsPerToken }) => natsPerToken),
    row('bits per byte', ({ bitsPerByte }) => bitsPerByte),
  ]
  return [...table(facts), '', ...table(rows, ['left', 'right', 'right', 'right'])]
}

const usualDamping = 0.01

function warnOfDamping(matrices: readonly QuantizedReport[]): void {
  const damped = matrices.filter(({ damping = 0 }) => damping > usualDamping)
  if (damped.length > 0)
    note(`the calibration text says little about ${damped.map(({ name }) => name).join(', ')}: more text would help`)
}
