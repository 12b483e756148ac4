export type { GrammarSpec, TaggedSchema } from './grammar-spec.ts'
