import { type CategoricalHeadOptions, categoricalHead, tiedHead } from '../../src/heads/index.ts'
import { Embedding, normal } from '../../src/nn/index.ts'
import { type HeadSubject, printSubjects, runHeadContract } from './head-contract.ts'

/** A head and the module of its weights are the same, unless it is tied. */
function separate(width: number, vocabularySize: number, options: CategoricalHeadOptions = {}) {
  const head = categoricalHead(width, vocabularySize, options)
  return { head, owner: head }
}

function tied(width: number, vocabularySize: number) {
  const embedding = new Embedding(vocabularySize, width)
  return { head: tiedHead(embedding), owner: embedding }
}

const subjects: readonly HeadSubject[] = [
  { name: 'categoricalHead', width: 6, vocabularySize: 11, open: () => separate(6, 11) },
  { name: 'categoricalHead, own initializer', width: 3, vocabularySize: 40, open: () => separate(3, 40, { weight: normal(1) }) },
  { name: 'categoricalHead, capped', width: 6, vocabularySize: 11, open: () => separate(6, 11, { weight: normal(2), softCap: 3 }) },
  {
    name: 'tiedHead',
    width: 6,
    vocabularySize: 11,
    open: () => tied(6, 11),
    skip: { 'has parameters of its own': 'it reads with the weights of the embedding' },
  },
]

printSubjects(subjects)
for (const subject of subjects) runHeadContract(subject)
