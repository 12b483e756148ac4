import { FormatError } from '../../base/errors.ts'
import { Budget } from './budget.ts'
import { type Environment, Interpreter, type Node, type Value } from './library.ts'

type Check = (value: Value) => void

/** Filters and methods whose result may be larger than all that they are given. */
const growing: readonly unknown[] = ['replace', 'join', 'indent', 'tojson']

/** Filters that do not go through a list. */
const quick: readonly unknown[] = ['length', 'first', 'last', 'list']

/** Steps that one item of a list takes: sorted, searched, copied. */
const usualItemWork = 1 / 4
/** Every turn of a loop makes two scopes and a dozen values. */
const loopWork = 16

/**
 * The library's interpreter with a budget: every node that is evaluated is counted, and every value by its size. What the library
 * does between two nodes takes time in proportion to values that were counted; the arguments for which it would not (a step of 0, an
 * indentation of a billion) are refused.
 */
export class BoundedInterpreter extends Interpreter {
  readonly #budget = new Budget()
  readonly #checks = new WeakMap<object, Check>()
  /** Steps per item of the lists that a node gives, where it is not the usual. */
  readonly #itemWork = new WeakMap<object, number>()
  readonly #nodeCounts = new WeakMap<object, number>()

  override evaluate(node: Node | undefined, environment: Environment): Value {
    this.#budget.spend(node === undefined ? 1 : this.#costOf(node))
    if (node !== undefined) this.#prepare(node)
    const value = super.evaluate(node, environment)
    this.#budget.charge(value, (node && this.#itemWork.get(node)) ?? usualItemWork)
    if (node !== undefined) this.#checks.get(node)?.(value)
    return value
  }

  /** Macros are searched for the names they use whenever they are defined. */
  #costOf(node: Node): number {
    return node.type === 'Macro' || node.type === 'CallStatement' ? this.#nodeCount(node) : 1
  }

  #nodeCount(node: object): number {
    const known = this.#nodeCounts.get(node)
    if (known !== undefined) return known
    const parts: readonly unknown[] = node instanceof Map ? [...node].flat() : Object.values(node)
    let count = 1
    for (const part of parts) if (typeof part === 'object' && part !== null) count += this.#nodeCount(part)
    this.#nodeCounts.set(node, count)
    return count
  }

  #prepare(node: Node): void {
    if (node.type === 'For') this.#itemWork.set(iterableOf(node), loopWork)
    const glanced = glancedAt(node)
    if (glanced !== undefined) this.#itemWork.set(glanced, 0)
    if (node.type === 'MemberExpression') this.#checkStep(node.property as Node)
    if (node.type === 'CallExpression') this.#checkCall(node)
    if (node.type === 'FilterExpression' || node.type === 'FilterStatement') this.#checkCall(node.filter as Node)
  }

  #checkStep({ type, step }: Node): void {
    if (type === 'SliceExpression' && step !== undefined) this.#checks.set(step as object, checkStep)
  }

  #checkCall({ callee, args }: Node): void {
    if (callee === undefined || !mayGrow(callee as Node)) return
    for (const argument of args as readonly Node[]) {
      if (argument.type.includes('Spread'))
        throw new FormatError('the chat template spreads arguments of a filter', { expected: 'them one by one' })
      const given = argument.type === 'KeywordArgumentExpression' ? (argument.value as object) : argument
      this.#checks.set(given, (value) => this.#budget.checkGrowth(value))
    }
  }
}

function iterableOf({ iterable }: Node): Node {
  const given = iterable as Node
  return given.type === 'SelectExpression' ? (given.lhs as Node) : given
}

/** The part of a node whose value is a list that is not gone through. */
function glancedAt(node: Node): Node | undefined {
  if (node.type === 'MemberExpression')
    return (node.property as Node).type === 'SliceExpression' ? undefined : (node.object as Node)
  if (node.type === 'FilterExpression') return quick.includes((node.filter as Node).value) ? (node.operand as Node) : undefined
  return node.type === 'TestExpression' ? (node.operand as Node) : undefined
}

/** A filter is a name, a method a member; names that are computed may be any. */
function mayGrow(callee: Node): boolean {
  const named = callee.type === 'MemberExpression' ? (callee.property as Node) : callee
  return named.type === 'Identifier' ? growing.includes(named.value) : callee.type === 'MemberExpression'
}

const checkStep: Check = ({ type, value }) => {
  if (type !== 'IntegerValue' || (Number.isInteger(value) && value !== 0)) return
  throw new FormatError(`the chat template takes a slice in steps of ${String(value)}`, { expected: 'an integer other than 0' })
}
