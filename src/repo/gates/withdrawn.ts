// Gate `withdrawn`: what upstream took back is no candidate any more.
import type { Gate } from './gate.ts'

export const withdrawn: Gate = ({ item, isWithdrawn }) =>
  isWithdrawn
    ? {
        gate: 'withdrawn',
        state: 'blocked',
        sentence: `${item.source} ${item.version} was withdrawn upstream, and nothing newer took its place`,
      }
    : { gate: 'withdrawn', state: 'pass', sentence: 'Not withdrawn upstream' }
