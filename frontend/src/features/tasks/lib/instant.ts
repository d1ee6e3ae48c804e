import type { TaskIn } from '@/api/types'
import { parseUsdc } from '@/chain/amount'
import type { TaskForm } from './form'

/** What a task that the scheduler gives away says instead of an auction: the budget is the price to be signed for. */
export const instantOf = (form: Pick<TaskForm, 'instant' | 'budget'>): Pick<TaskIn, 'instant'> & Partial<TaskIn> =>
  form.instant
    ? {
        instant: true,
        buy_now_units: parseUsdc(form.budget)?.toString() ?? null,
        award_weights: null,
        reserve_units: null,
        reveal_seconds: null,
        extension: null,
      }
    : { instant: false }
