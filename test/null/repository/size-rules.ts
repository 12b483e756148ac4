import ts from 'typescript'
import { parse, place, type Sources, walk } from './source-tree.ts'

interface Budget {
  readonly warn: number
  readonly fail: number
}

export interface SizeReport {
  readonly warnings: readonly string[]
  readonly failures: readonly string[]
}

const fileLines: Budget = { warn: 400, fail: 800 }
const systemLines: Budget = { warn: 200, fail: 800 }
const functionLines: Budget = { warn: 60, fail: 120 }

/** Files and functions over budget. Files whose first comment says `@generated` are tables that nobody reads, and exempt. */
export function measure(sources: Sources): SizeReport {
  const findings = [...sources].flatMap(([path, text]) =>
    isGenerated(text) ? [] : [measureFile(path, text), ...measureFunctions(path, text)],
  )
  return {
    warnings: findings.filter(({ lines, budget }) => lines > budget.warn && lines <= budget.fail).map(describe),
    failures: findings.filter(({ lines, budget }) => lines > budget.fail).map(describe),
  }
}

interface Measured {
  readonly what: string
  readonly lines: number
  readonly budget: Budget
}

function describe({ what, lines, budget }: Measured): string {
  return `${what}: ${lines} lines (warns above ${budget.warn}, fails above ${budget.fail})`
}

function measureFile(path: string, text: string): Measured {
  const isSystem = path.startsWith('src/systems/') && path.split('/').length > 3
  return { what: path, lines: text.trimEnd().split('\n').length, budget: isSystem ? systemLines : fileLines }
}

function measureFunctions(path: string, text: string): Measured[] {
  const file = parse(path, text)
  const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line
  return walk(file)
    .filter(hasBody)
    .map((node) => ({
      what: `${place(file, node)} ${nameOf(node)}`,
      lines: lineOf(node.getEnd()) - lineOf(node.getStart(file)) + 1,
      budget: functionLines,
    }))
}

function hasBody(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined
}

function nameOf(node: ts.FunctionLikeDeclaration): string {
  if (node.name) return node.name.getText()
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  return ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : 'function'
}

function isGenerated(text: string): boolean {
  return /^\s*(\/\/|\/\*)[^\n]*@generated/.test(text)
}
