export { type GrammarCompiler, type GrammarCompilerOptions, openGrammarCompiler } from './grammar-compiler.ts'
export type { HostHandles } from './grammar-host.ts'
export type { GrammarSpec, TaggedSchema } from './grammar-spec.ts'
