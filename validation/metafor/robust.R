# Cluster-robust inference. CR0 and CR1 are metafor's; CR2 and its Satterthwaite df are written out here from the
# papers of Bell-McCaffrey and Pustejovsky-Tipton, because metafor asks clubSandwich for them.

with_metafor <- function(fit, cluster, adjust) {
  take(do.call(robust, list(fit, cluster = cluster, adjust = adjust)), c(
    beta = "beta", se = "se", pval = "pval", ci_lb = "ci.lb", ci_ub = "ci.ub", ddf = "dfs"
  ))
}

power <- function(matrix, exponent) {
  found <- eigen(matrix, symmetric = TRUE)
  # A direction the model fits exactly has no residual: its inverse is taken as zero.
  scale <- ifelse(found$values > 1e-10 * max(found$values), abs(found$values)^exponent, 0)
  found$vectors %*% (scale * t(found$vectors))
}

# `variance` is the working covariance of yi under the fit; the weights are its inverse.
cr2 <- function(yi, X, variance, cluster) {
  weights <- solve(variance)
  bread <- solve(t(X) %*% weights %*% X)
  beta <- bread %*% t(X) %*% weights %*% yi
  keep <- diag(length(yi)) - X %*% bread %*% t(X) %*% weights
  # For each cluster the matrix G with bread-weighted, adjusted scores G e: one column per coefficient.
  adjusted <- lapply(split(seq_along(yi), cluster), function(i) {
    root <- chol(variance[i, i, drop = FALSE])
    spread <- keep[i, , drop = FALSE] %*% variance %*% t(keep[i, , drop = FALSE])
    adjust <- t(root) %*% power(root %*% spread %*% t(root), -0.5) %*% root
    bread %*% t(X[i, , drop = FALSE]) %*% weights[i, i, drop = FALSE] %*% adjust %*% keep[i, , drop = FALSE]
  })
  one <- function(j) {
    rows <- t(sapply(adjusted, function(g) g[j, ]))
    se <- sqrt(sum((rows %*% yi)^2))
    # The trace and the squared norm of the quadratic form's matrix.
    products <- rows %*% variance %*% t(rows)
    df <- sum(diag(products))^2 / sum(products^2)
    limits <- beta[j] + c(-1, 1) * qt(0.975, df) * se
    c(beta = beta[j], se = se, pval = 2 * pt(-abs(beta[j] / se), df), ci_lb = limits[1], ci_ub = limits[2], ddf = df)
  }
  as.list(as.data.frame(t(sapply(seq_len(ncol(X)), one))))
}

kinds <- function(fit, cluster) {
  list(
    CR0 = with_metafor(fit, cluster, FALSE), CR1 = with_metafor(fit, cluster, TRUE),
    CR2 = cr2(c(fit$yi), fit$X, fit$M, cluster)
  )
}

single_level <- function(name, bcg, schools) {
  if (!startsWith(name, "bcg_RR")) {
    return(kinds(rma(schools$yi, schools$vi, method = "REML", control = tight), schools$district))
  }
  method <- strsplit(name, "_")[[1]][3]
  # metafor refuses a NULL here; a column of ones is its intercept.
  ones <- matrix(1, length(bcg$yi), 1)
  X <- if (grepl("ablat", name)) cbind(ones, t(bcg$models$ablat$X)) else ones
  control <- if (method == "FE") list() else tight
  fit <- rma(bcg$yi, bcg$vi, mods = X, intercept = FALSE, method = method, control = control)
  kinds(fit, seq_along(bcg$yi))
}

remake <- function(reference, load) {
  bcg <- load("meta_regression")$datasets$bcg_RR
  schools <- load("multilevel")$konstantopoulos2011
  frame <- as.data.frame(schools[c("yi", "vi", "district", "school")])
  three_level <- rma.mv(
    yi, vi, random = ~ 1 | district / school, data = frame, sigma2 = reference$three_level$sigma2, sparse = FALSE
  )
  list(
    univariate = lapply(named(names(reference$univariate)), function(name) single_level(name, bcg, schools)),
    three_level = list(kinds = kinds(three_level, schools$district))
  )
}
