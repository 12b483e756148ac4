import * as v from 'valibot'
import { FormatError } from '../../base/errors.ts'
import { checkFile, quoted } from '../checked.ts'
import { knownPatterns } from './known-patterns.ts'

/** One normalizer or pre-tokenizer as the library takes it. */
export type Step = Readonly<Record<string, unknown>> & { readonly type: string }

export interface PatternPolicy {
  /** Run regular expressions that are not in `knownPatterns`. */
  readonly acceptUnknownPatterns: boolean
}

const mostSteps = 64
const deepest = 8
/** A text may grow this much by replacements: thirty-two doublings would make a gigabyte of four letters. */
const mostGrowth = 64

const flag = v.optional(v.boolean())
const replacementText = v.pipe(v.string(), v.maxLength(64))
const pattern = v.union([
  v.strictObject({ String: v.pipe(v.string(), v.minLength(1), v.maxLength(256)) }),
  v.strictObject({ Regex: v.pipe(v.string(), v.minLength(1), v.maxLength(10_000)) }),
])
type Pattern = v.InferOutput<typeof pattern>

const normalizers = {
  BertNormalizer: v.object({
    clean_text: flag,
    handle_chinese_chars: flag,
    strip_accents: v.nullish(v.boolean()),
    lowercase: flag,
  }),
  Precompiled: v.object({}),
  Replace: v.object({ pattern, content: replacementText }),
  Prepend: v.object({ prepend: replacementText }),
  Strip: v.object({ strip_left: flag, strip_right: flag }),
  StripAccents: v.object({}),
  Lowercase: v.object({}),
  NFC: v.object({}),
  NFD: v.object({}),
  NFKC: v.object({}),
  NFKD: v.object({}),
}

const splitBehavior = v.picklist(['Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'])
const preTokenizers = {
  BertPreTokenizer: v.object({}),
  Whitespace: v.object({}),
  WhitespaceSplit: v.object({}),
  ByteLevel: v.object({ add_prefix_space: flag, use_regex: flag }),
  Digits: v.object({ individual_digits: flag }),
  Punctuation: v.object({ behavior: v.optional(splitBehavior, 'Isolated') }),
  Split: v.object({ pattern, behavior: splitBehavior, invert: v.optional(v.boolean(), false) }),
  Metaspace: v.object({
    replacement: v.optional(v.pipe(v.string(), v.length(1)), '▁'),
    str_rep: v.optional(v.string()),
    prepend_scheme: v.optional(v.picklist(['always', 'first', 'never'])),
    add_prefix_space: flag,
    split: v.optional(v.boolean(), true),
  }),
}

/**
 * A checked copy of the file's normalizer, or null. Only fields that the library reads are kept.
 *
 * @throws FormatError for steps that the library does not have and replacements without bound.
 */
export function readNormalizer(given: unknown, policy: PatternPolicy): Step | null {
  const steps = flatten(given, 'normalizers', 'normalizer').map(({ type, fields }) => {
    const checked = checkStep(normalizers, type, fields, 'normalizer')
    return checked.type === 'Replace' ? { ...checked, pattern: checkPattern(checked.pattern as Pattern, policy) } : checked
  })
  const growth = steps.reduce((product, step) => product * growthOf(step), 1)
  if (growth > mostGrowth)
    throw new FormatError(`the normalizers make a text ${growth} times as long`, { expected: `at most ${mostGrowth}` })
  return steps.length === 0 ? null : { type: 'Sequence', normalizers: steps.map(literalContent) }
}

/** In the library `$&` and its kin in a replacement stand for parts of the text; in the file they are plain. */
function literalContent(step: Step): Step {
  return step.type === 'Replace' ? { ...step, content: (step.content as string).replaceAll('$', '$$$$') } : step
}

/**
 * A checked copy of the file's pre-tokenizer, or null. Steps that the library reads otherwise than the original are written as
 * splits which it reads alike.
 *
 * @throws FormatError for steps that the library does not have.
 */
export function readPreTokenizer(given: unknown, normalizer: Step | null, policy: PatternPolicy): Step | null {
  const steps = flatten(given, 'pretokenizers', 'pre_tokenizer').flatMap(({ type, fields }) => {
    const checked = checkStep(preTokenizers, type, fields, 'pre_tokenizer')
    return rewritePreTokenizer(checked, normalizer, policy)
  })
  return steps.length === 0 ? null : { type: 'Sequence', pretokenizers: steps }
}

interface RawStep {
  readonly type: string
  readonly fields: unknown
}

function flatten(given: unknown, members: string, what: string, depth = 0): RawStep[] {
  if (given === null || given === undefined) return []
  if (depth > deepest) throw new FormatError(`${what} is nested deeper than ${deepest}`)
  const step = v.object({ type: v.string(), [members]: v.optional(v.array(v.unknown())) })
  checkFile(step, given, what)
  const fields = given as { readonly type: string } & Readonly<Record<string, unknown>>
  if (fields.type !== 'Sequence') return [{ type: fields.type, fields }]
  const inner = (fields[members] ?? []) as readonly unknown[]
  if (inner.length > mostSteps) throw new FormatError(`${what} has ${inner.length} steps`, { expected: `at most ${mostSteps}` })
  const steps = inner.flatMap((member) => flatten(member, members, what, depth + 1))
  if (steps.length > mostSteps) throw new FormatError(`${what} has ${steps.length} steps`, { expected: `at most ${mostSteps}` })
  return steps
}

type Schemas = Readonly<Record<string, v.GenericSchema<unknown, object>>>

function checkStep(schemas: Schemas, type: string, fields: unknown, what: string): Step {
  const schema = Object.hasOwn(schemas, type) ? schemas[type] : undefined
  if (schema === undefined) {
    throw new FormatError(`${what} ${quoted(type)} is not supported`, { expected: Object.keys(schemas).join(', ') })
  }
  checkFile(schema, fields, `${what} ${type}`)
  return { type, ...v.parse(schema, fields) }
}

function checkPattern(given: Pattern, { acceptUnknownPatterns }: PatternPolicy): Pattern {
  if ('String' in given) return given
  const known = knownPatterns.get(given.Regex)
  if (known !== undefined) return { Regex: known }
  if (acceptUnknownPatterns) return given
  throw new FormatError(`the regular expression ${quoted(given.Regex)} is not one of those known to take linear time`, {
    expected: 'a pattern of a well-known tokenizer',
    fix: 'if you trust the file, pass acceptUnknownPatterns: true',
  })
}

function growthOf(step: Step): number {
  if (step.type !== 'Replace') return 1
  const { pattern: replaced, content } = step as unknown as { pattern: Pattern; content: string }
  return Math.max(1, content.length / ('String' in replaced ? replaced.String.length : 1))
}

function rewritePreTokenizer(step: Step, normalizer: Step | null, policy: PatternPolicy): Step[] {
  switch (step.type) {
    // The library knows ASCII digits only.
    case 'Digits':
      return [isolated(step.individual_digits === true ? '\\p{N}' : '\\p{N}+')]
    // The library always takes runs of punctuation together.
    case 'Punctuation':
      return [isolated(`[\\p{P}!-/:-@\\[-\`{-~]${punctuationRun(step.behavior)}`)]
    case 'Metaspace':
      return rewriteMetaspace(step)
    case 'Split':
      return rewriteSplit(step, normalizer, policy)
    default:
      return [step]
  }
}

function isolated(regex: string): Step {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }
}

function punctuationRun(behavior: unknown): '' | '+' {
  if (behavior === 'Isolated') return ''
  if (behavior === 'Contiguous') return '+'
  throw new FormatError(`pre_tokenizer Punctuation with behavior ${String(behavior)} is not supported`, {
    expected: 'Isolated or Contiguous',
  })
}

/** The library neither knows `add_prefix_space`, which older files have, nor cuts in front of each replacement. */
function rewriteMetaspace({ replacement, str_rep, prepend_scheme, add_prefix_space, split }: Step): Step[] {
  if (str_rep !== undefined && str_rep !== replacement) {
    throw new FormatError('pre_tokenizer Metaspace has a str_rep other than its replacement')
  }
  const scheme = prepend_scheme ?? (add_prefix_space === false ? 'never' : 'always')
  const metaspace = { type: 'Metaspace', replacement, prepend_scheme: scheme }
  const mark = `\\u{${(replacement as string).codePointAt(0)!.toString(16)}}`
  return split === true ? [metaspace, isolated(`${mark}?[^${mark}]+|${mark}`)] : [metaspace]
}

function rewriteSplit(step: Step, normalizer: Step | null, policy: PatternPolicy): Step[] {
  const { pattern: cut, behavior, invert } = step as unknown as { pattern: Pattern; behavior: string; invert: boolean }
  // Gemma cuts at spaces, which its normalizer has replaced.
  if ('String' in cut && isReplaced(cut.String, normalizer)) return []
  if (behavior === 'Removed' || (behavior === 'Isolated' && !invert)) return [{ ...step, pattern: checkPattern(cut, policy) }]
  throw new FormatError(`pre_tokenizer Split with behavior ${behavior}${invert ? ', inverted,' : ''} is not supported`, {
    expected: 'Isolated, or Removed',
  })
}

function isReplaced(text: string, normalizer: Step | null): boolean {
  const steps = (normalizer?.normalizers ?? []) as readonly Step[]
  const last = steps.at(-1)
  if (last?.type !== 'Replace') return false
  const { pattern: replaced, content } = last as unknown as { pattern: Pattern; content: string }
  return 'String' in replaced && replaced.String === text && !content.includes(text)
}
