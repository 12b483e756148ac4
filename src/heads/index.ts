export { type CategoricalHead, categoricalHead, categoricalLogProb, tiedHead } from './categorical.ts'
