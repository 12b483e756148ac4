import { type CodeSet, contains, single } from '../code-set.ts'
import type { Expression } from '../expression.ts'

const mostStates = 5_000

/** Elementary steps that are left for proofs. */
export interface ProofBudget {
  steps: number
}

/**
 * Whether every text of `inner` is one of `outer`, both without rules. True is a proof; false says that there is none within the budget.
 * Looks at pairs of a state of the inner automaton and the outer states that the same text leads to (subset construction).
 */
export function isWithin(inner: Expression, outer: Expression, budget: ProofBudget): boolean {
  const [a, b] = [automatonOf(inner, budget), automatonOf(outer, budget)]
  return a !== undefined && b !== undefined && new Inclusion(a, b, budget).holds()
}

interface Edge {
  readonly set: CodeSet
  readonly to: number
}

class Inclusion {
  readonly #inner: Automaton
  readonly #outer: Automaton
  readonly #seen = new Set<string>()
  readonly #waiting: { readonly state: number; readonly subset: readonly number[] }[] = []
  readonly #budget: ProofBudget

  constructor(inner: Automaton, outer: Automaton, budget: ProofBudget) {
    this.#inner = inner
    this.#outer = outer
    this.#budget = budget
  }

  holds(): boolean {
    this.#reach([0], this.#closure(this.#outer, [0]))
    for (let next = this.#waiting.pop(); next !== undefined; next = this.#waiting.pop()) {
      if (this.#budget.steps < 0) return false
      if (next.state === this.#inner.end && !next.subset.includes(this.#outer.end)) return false
      for (const edge of this.#inner.edges[next.state]!) this.#follow(edge, next.subset)
    }
    return true
  }

  #reach(states: readonly number[], subset: readonly number[]): void {
    for (const state of this.#closure(this.#inner, states)) {
      const key = `${state}:${subset.join()}`
      if (this.#seen.has(key)) continue
      this.#seen.add(key)
      this.#waiting.push({ state, subset })
    }
  }

  /** One character for each way in which those of the edge lead on outside. */
  #follow({ set, to }: Edge, subset: readonly number[]): void {
    const edges = subset.flatMap((state) => this.#outer.edges[state]!)
    const starts = new Set([
      ...set.map(([from]) => from),
      ...edges.flatMap((edge) => edge.set.flatMap(([from, last]) => [from, last + 1])),
    ])
    const targets = new Map<string, number[]>()
    for (const code of starts) {
      if (!contains(set, code)) continue
      this.#budget.steps -= edges.length
      const reached = [...new Set(edges.filter((edge) => contains(edge.set, code)).map((edge) => edge.to))]
      targets.set(reached.join(), reached)
      if (this.#budget.steps < 0) return
    }
    for (const reached of targets.values()) this.#reach([to], this.#closure(this.#outer, reached))
  }

  /** With what empty steps reach, sorted. */
  #closure(automaton: Automaton, states: readonly number[]): number[] {
    const reached = new Set(states)
    for (const state of reached) for (const next of automaton.empty[state]!) reached.add(next)
    this.#budget.steps -= reached.size
    return [...reached].sort((x, y) => x - y)
  }
}

function automatonOf(expression: Expression, budget: ProofBudget): Automaton | undefined {
  const automaton = new Automaton()
  automaton.end = automaton.add(expression, automaton.state())
  budget.steps -= automaton.edges.length
  return automaton.known && automaton.edges.length <= mostStates ? automaton : undefined
}

/** States with edges of one character and empty ones (Thompson 1968). State 0 is the first. */
class Automaton {
  readonly edges: Edge[][] = []
  readonly empty: number[][] = []
  end = 0
  /** Whether it has no rules. */
  known = true

  state(): number {
    this.empty.push([])
    return this.edges.push([]) - 1
  }

  /** From a state on; gives the one behind it. Stops growing beyond `mostStates`. */
  add(expression: Expression, from: number): number {
    if (this.edges.length > mostStates) return from
    switch (expression.kind) {
      case 'text':
        return [...expression.text].reduce((at, character) => this.#edge(at, single(character.codePointAt(0)!)), from)
      case 'set':
        return this.#edge(from, expression.set)
      case 'sequence':
        return expression.parts.reduce((at, part) => this.add(part, at), from)
      case 'choice': {
        const end = this.state()
        for (const option of expression.options) this.#join(this.add(option, from), end)
        return end
      }
      case 'repeat':
        return this.#repeat(expression, from)
      case 'rule':
        this.known = false
        return from
    }
  }

  #repeat({ of, least, most }: Extract<Expression, { kind: 'repeat' }>, from: number): number {
    let at = from
    for (let i = 0; i < least; i++) {
      const before = this.edges.length
      at = this.add(of, at)
      if (this.edges.length === before || before > mostStates) break
    }
    const end = this.state()
    this.#join(at, end)
    if (most === undefined) this.#join(this.add(of, end), end)
    else this.#optional(of, most - least, at, end)
    return end
  }

  #optional(of: Expression, count: number, from: number, end: number): void {
    let at = from
    for (let i = 0; i < count; i++) {
      const before = this.edges.length
      at = this.add(of, at)
      this.#join(at, end)
      // What is empty, or beyond the bound, adds nothing.
      if (this.edges.length === before || before > mostStates) break
    }
  }

  #edge(from: number, set: CodeSet): number {
    const to = this.state()
    this.edges[from]!.push({ set, to })
    return to
  }

  #join(from: number, to: number): void {
    this.empty[from]!.push(to)
  }
}
