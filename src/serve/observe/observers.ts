import type { RequestObserver, ServiceObserver } from '../observer.ts'

/** One observer that tells all of these, in their order. None: nobody is told. */
export function observers(...all: readonly ServiceObserver[]): ServiceObserver {
  return {
    begin(request) {
      return together(all.map((one) => one.begin(request)))
    },
  }
}

function together(all: readonly RequestObserver[]): RequestObserver {
  return {
    model: (name) => all.forEach((one) => void one.model(name)),
    firstToken: (milliseconds) => all.forEach((one) => void one.firstToken(milliseconds)),
    nextToken: (milliseconds) => all.forEach((one) => void one.nextToken(milliseconds)),
    tokens: (counts, waited) => all.forEach((one) => void one.tokens(counts, waited)),
    end: (outcome, code, status) => all.forEach((one) => void one.end(outcome, code, status)),
  }
}
