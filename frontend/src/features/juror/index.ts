export { JurorPage } from './JurorPage'
