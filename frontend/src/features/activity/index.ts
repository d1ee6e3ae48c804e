export { ActivityPage } from './ActivityPage'
