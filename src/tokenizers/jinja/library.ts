import * as jinja from '@huggingface/jinja'

/** A node of a template's tree; which fields there are depends on its type. */
export interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

/** A value of the template language. */
export interface Value {
  readonly type: string
  readonly value: unknown
}

export interface Environment {
  set(name: string, value: unknown): void
}

export interface Interpreter {
  run(program: Node): Value
  evaluate(node: Node | undefined, environment: Environment): Value
}

interface Library {
  readonly Environment: new () => Environment
  readonly Interpreter: new (environment: Environment) => Interpreter
  tokenize(source: string, options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean }): unknown
  parse(tokens: unknown): Node
}

// The package's own declarations lead to files without an ending, which this project's module resolution does not find.
const library: Library = jinja
export const { Environment, Interpreter } = library

/** The tree of a template, read as Hugging Face's libraries read it. */
export function parseTemplate(source: string): Node {
  return library.parse(library.tokenize(source, { lstrip_blocks: true, trim_blocks: true }))
}
