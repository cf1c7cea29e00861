# Intervals of tau2 and of the pooled effect, exact permutation, Mantel-Haenszel and Peto.

likelihood_limits <- function(yi, vi, method, type) {
  fit <- searched(yi, vi, method = method)
  control <- if (type == "PL") list(tol = 1e-14, maxiter = 20000, tau2.max = 1e4 * (max(vi) + var(yi))) else list()
  found <- confint(fit, type = type, control = control)
  list(low = found$random["tau^2", "ci.lb"], high = found$random["tau^2", "ci.ub"])
}

# P(sum of lambda_i chi-square(1) > q), Imhof 1961.
imhof <- function(q, lambda) {
  share <- function(u) {
    angle <- 0.5 * rowSums(atan(outer(u, lambda))) - 0.5 * q * u
    size <- exp(0.25 * rowSums(log1p(outer(u, lambda)^2)))
    ifelse(u == 0, 0.5 * (sum(lambda) - q), sin(angle) / (u * size))
  }
  # Half periods of the sine far out, where the pieces alternate: averaging neighbouring sums again and again
  # (Euler's transformation) takes out the tail that is not integrated.
  step <- 2 * pi / q
  sums <- numeric()
  repeat {
    i <- length(sums)
    piece <- integrate(share, i * step, (i + 1) * step, rel.tol = 1e-11, abs.tol = 1e-14)$value
    sums <- c(sums, sum(tail(sums, 1), piece))
    if (i > 20 && abs(piece) < 1e-13) return(0.5 + tail(sums, 1) / pi)
    if (i > 400) break
  }
  last <- tail(sums, 16)
  while (length(last) > 1) last <- (last[-1] + last[-length(last)]) / 2
  0.5 + last / pi
}

# metafor asks CompQuadForm, which Debian does not have, for this distribution: the limits are solved here instead.
generalised_q <- function(yi, vi, weights) {
  A <- diag(weights) - outer(weights, weights) / sum(weights)
  observed <- c(t(yi) %*% A %*% yi)
  above <- function(tau2) {
    root <- sqrt(vi + tau2)
    lambda <- eigen(A * outer(root, root), symmetric = TRUE, only.values = TRUE)$values
    imhof(observed, lambda[-length(lambda)])
  }
  limit <- function(p) {
    if (above(0) >= p) return(0)
    upper <- var(yi)
    while (above(upper) < p) upper <- 4 * upper
    uniroot(function(tau2) above(tau2) - p, c(0, upper), tol = 1e-13 * upper)$root
  }
  list(low = limit(0.025), high = limit(0.975))
}

one <- function(name, given, data) {
  yi <- data$yi
  vi <- data$vi
  weights <- list(inv_v = 1 / vi, equal = rep(1, length(vi)), inv_sqrt_v = 1 / sqrt(vi))
  exact <- function(method) {
    c(permutest(rma(yi, vi, method = method, control = tight), exact = TRUE, progbar = FALSE)$pval)
  }
  limits <- list(
    PL_ML = c("ML", "PL"), PL_REML = c("REML", "PL"), Wald_ML = c("ML", "Wald"), Wald_REML = c("REML", "Wald")
  )
  henmi_copas <- hc(rma(yi, vi, method = "DL"), control = list(tol = 1e-13, maxiter = 10000))
  list(
    tau2 = lapply(limits, function(how) likelihood_limits(yi, vi, how[1], how[2])),
    generalised_q = lapply(weights[names(given$generalised_q)], function(w) generalised_q(yi, vi, w)),
    henmi_copas = take(henmi_copas, c(beta = "beta", se = "se", ci_lb = "ci.lb", ci_ub = "ci.ub")),
    permutation = lapply(named(names(given$permutation)), exact)
  )
}

pooled_table <- function(table) {
  data <- table[c("ai", "bi", "ci", "di")]
  haenszel <- function(measure) do.call(rma.mh, c(list(measure = measure), data))
  fits <- list(MH_OR = haenszel("OR"), MH_RR = haenszel("RR"), MH_RD = haenszel("RD"), PETO = do.call(rma.peto, data))
  lapply(fits, take, c(
    beta = "beta", se = "se", stat = "zval", pval = "pval", ci_lb = "ci.lb", ci_ub = "ci.ub", QE = "QE", QEp = "QEp",
    I2 = "I2", H2 = "H2"
  ))
}

remake <- function(reference, load) {
  data <- load("metafor")$datasets
  list(
    datasets = lapply(named(names(reference$datasets)), function(name) {
      one(name, reference$datasets[[name]], data[[name]])
    }),
    tables = lapply(reference$tables, pooled_table)
  )
}
