import { blockLength, type Counting, countingOf, type Expression, type Grammar } from './expression.ts'
import { utf8Runs } from './utf8-ranges.ts'

/** What a rule is made of: a range of bytes, or another rule. */
interface Item {
  /** Alike for what is alike. */
  readonly label: string
  /** Of a single byte of ASCII. */
  readonly character?: string
  /** Names a rule. */
  readonly refers: boolean
}

type Alternative = readonly Item[]

/**
 * A grammar as xgrammar 0.1.27 reads it, in a form that it compiles as it is meant. Sets of characters are written as runs of bytes: its
 * classes are classes of bytes where they are not negated, and take malformed UTF-8 where they are. No two alternatives of a rule begin
 * with the same item: of those that do, its automata accept more than they should (`MergeEquivalentSuccessors`).
 */
export function printGrammar(grammar: Grammar): string {
  return new GrammarPrinter(grammar).print()
}

class GrammarPrinter {
  readonly #grammar: Grammar
  readonly #names: ReadonlyMap<string, string>
  /** Alternatives of each rule. */
  readonly #rules = new Map<string, readonly Alternative[]>()
  /** Names of rules that were made here, by what they are. */
  readonly #made = new Map<string, string>()
  /** Rules that must not become part of the rules that begin with them, where they might begin like another alternative. */
  readonly #whole = new Set<string>()

  constructor(grammar: Grammar) {
    this.#grammar = grammar
    this.#names = new Map([...grammar.rules.keys()].map((name, i) => [name, name === grammar.root ? 'root' : `r${i}`]))
  }

  print(): string {
    for (const [name, expression] of this.#grammar.rules) {
      this.#rules.set(this.#names.get(name)!, this.#factored(this.#alternatives(expression)))
    }
    return [...[...this.#rules].map(([name, alternatives]) => this.#line(name, alternatives)), 'e ::= ""'].join('\n')
  }

  #line(name: string, alternatives: readonly Alternative[]): string {
    const written = alternatives.map(writtenItems)
    const refers = alternatives.some((items) => items.some((item) => item.refers))
    // The library moves rules without references to where they are used.
    if (this.#whole.has(name) && !refers) written[0] += ' e'
    return `${name} ::= ${written.join(' | ')}`
  }

  #alternatives(expression: Expression): Alternative[] {
    switch (expression.kind) {
      case 'text':
        return [Array.from(new TextEncoder().encode(expression.text), (byte) => range(byte, byte))]
      case 'set':
        return this.#setAlternatives(expression)
      case 'sequence':
        return [expression.parts.flatMap((part) => this.#inSequence(part))]
      case 'choice':
        return expression.options.flatMap((option) => this.#alternatives(option))
      case 'repeat':
        return this.#repeated(expression)
      case 'rule':
        return [[reference(this.#names.get(expression.name)!)]]
    }
  }

  #setAlternatives({ set }: Extract<Expression, { kind: 'set' }>): Alternative[] {
    const runs = utf8Runs(set)
    const ascii = runs.filter((run) => run.length === 1).map(([single]) => single!)
    const others = runs.filter((run) => run.length > 1).map((run) => run.map(([from, to]) => range(from, to)))
    return ascii.length === 0 ? others : [[byteClass(ascii)], ...others]
  }

  #inSequence(expression: Expression): Alternative {
    const alternatives = this.#alternatives(expression)
    return alternatives.length === 1 ? alternatives[0]! : [this.#define(this.#factored(alternatives))]
  }

  /**
   * What is repeated is written out in the rules that repeat it: the library finds out beforehand which tokens a rule takes as a whole, and
   * a rule of one character takes few.
   */
  #repeated({ of, least, most }: Extract<Expression, { kind: 'repeat' }>): Alternative[] {
    if (most === 0) return [[]]
    const alternatives = this.#alternatives(of)
    const once = alternatives.filter((items) => items.length > 0)
    if (once.length === 0) return [[]]
    // What may be nothing need not come.
    const needed = once.length < alternatives.length ? 0 : least
    const further = most === undefined ? [this.#loop(once)] : this.#atMost(once, countingOf(of, most - needed, true))
    if (needed === 0) return [further]
    const { blocks, singles } = countingOf(of, needed - 1, false)
    let behind: Alternative = further
    for (let i = 0; i < singles; i++) behind = this.#before(once, behind)
    for (let i = 0; i < blocks; i++) behind = [this.#block(once), ...behind]
    return once.map((items) => [...items, ...behind])
  }

  #block(once: readonly Alternative[]): Item {
    let behind: Alternative = []
    for (let i = 0; i < blockLength; i++) behind = this.#before(once, behind)
    return this.#define([behind])
  }

  /** One of them, then what is behind. */
  #before(once: readonly Alternative[], behind: Alternative): Alternative {
    if (once.length === 1) return [...once[0]!, ...behind]
    return [this.#define(this.#factored(once.map((items) => [...items, ...behind])))]
  }

  /** Any number of times. */
  #loop(once: readonly Alternative[]): Item {
    const key = `any number of ${bodyOf(once)}`
    const known = this.#made.get(key)
    if (known !== undefined) return reference(known)
    const made = reference(this.#name(key))
    this.#rules.set(made.label, this.#factored([...once.map((items) => [...items, made]), []]))
    return made
  }

  #atMost(once: readonly Alternative[], { blocks, singles }: Counting): Alternative {
    let behind: Alternative = []
    for (let i = 0; i < singles; i++) behind = [this.#define(this.#factored([...once.map((items) => [...items, ...behind]), []]))]
    if (blocks === 0) return behind
    const block = this.#block(once)
    let further: Alternative = []
    for (let i = 0; i < blocks; i++) further = [this.#define(this.#factored([[block, ...further], []]))]
    return [...further, ...behind]
  }

  #define(alternatives: readonly Alternative[]): Item {
    const [only] = alternatives
    if (alternatives.length === 1 && only!.length === 1) return only![0]!
    const body = bodyOf(alternatives)
    const known = this.#made.get(body)
    if (known !== undefined) return reference(known)
    const name = this.#name(body)
    this.#rules.set(name, alternatives)
    return reference(name)
  }

  #name(of: string): string {
    const name = `p${this.#made.size}`
    this.#made.set(of, name)
    return name
  }

  /** The same alternatives, none of which begins like another. */
  #factored(alternatives: readonly Alternative[]): Alternative[] {
    const groups = new Map<string, Alternative[]>()
    for (const items of alternatives) {
      const label = items[0]?.label ?? ''
      const group = groups.get(label)
      if (group === undefined) groups.set(label, [items])
      else group.push(items)
    }
    const factored = [...groups.values()].map((group) => this.#joined(group))
    if (factored.length > 1) for (const [first] of factored) if (first?.refers) this.#whole.add(first.label)
    return factored
  }

  /** Alternatives that begin alike as one. */
  #joined(group: readonly Alternative[]): Alternative {
    const [first] = group
    if (group.length === 1 || first!.length === 0) return first!
    let shared = 1
    while (shared < first!.length && group.every((items) => items[shared]?.label === first![shared]!.label)) shared++
    const rests = this.#factored(group.map((items) => items.slice(shared)))
    const rest = rests.length === 1 ? rests[0]! : [this.#define(rests)]
    return [...first!.slice(0, shared), ...rest]
  }
}

function bodyOf(alternatives: readonly Alternative[]): string {
  return alternatives.map((items) => items.map(({ label }) => label).join(' ')).join(' | ')
}

function reference(name: string): Item {
  return { label: name, refers: true }
}

function range(from: number, to: number): Item {
  const character =
    from === to && from >= 0x20 && from <= 0x7e && from !== 0x22 && from !== 0x5c ? String.fromCharCode(from) : undefined
  return { ...byteClass([[from, to]]), ...(character !== undefined && { character }) }
}

function byteClass(ranges: readonly (readonly [number, number])[]): Item {
  // The library takes a class of one member for a character, whose UTF-8 it writes; hence a member that stands alone stands twice.
  const label = `[${ranges.map(([from, to]) => (from === to ? hex(from).repeat(2) : `${hex(from)}-${hex(to)}`)).join('')}]`
  return { label, refers: false }
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}

function writtenItems(items: Alternative): string {
  if (items.length === 0) return '""'
  const parts: string[] = []
  let literal = ''
  const flush = () => {
    if (literal !== '') parts.push(`"${literal}"`)
    literal = ''
  }
  for (const { label, character } of items) {
    if (character !== undefined) literal += character
    else {
      flush()
      parts.push(label)
    }
  }
  flush()
  return parts.join(' ')
}
